//! A post: a thread of its own that waits for what lasts microseconds, and hands on what it saw.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// What is done at a post.
pub(super) trait Watch: Send + 'static {
    /// What is seen there.
    type Sight: Send + 'static;

    /// Waits for a few milliseconds at most, and hands on what happened meanwhile.
    fn watch(&mut self, sights: &mpsc::Sender<Self::Sight>);

    /// The last look.
    fn finish(&mut self, sights: &mpsc::Sender<Self::Sight>);
}

/// A watch at its post. Dropped, it is called back.
#[derive(Debug)]
pub(super) struct Post<T> {
    sights: mpsc::Receiver<T>,
    called_back: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Post<T> {
    /// Begins to watch.
    ///
    /// # Errors
    /// No thread could be had.
    pub(super) fn take(name: &str, mut watch: impl Watch<Sight = T>) -> std::io::Result<Self> {
        let (sender, sights) = mpsc::channel();
        let called_back = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&called_back);
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                watch.watch(&sender);
            }
            watch.finish(&sender);
        })?;
        Ok(Self { sights, called_back, thread: Some(thread) })
    }

    /// What was seen since the last time.
    pub(super) fn sights(&self) -> Vec<T> {
        self.sights.try_iter().collect()
    }

    /// Ends the watch; returns what was seen since the last time.
    pub(super) fn leave(mut self) -> Vec<T> {
        self.call_back();
        self.sights()
    }
}

impl<T> Post<T> {
    fn call_back(&mut self) {
        self.called_back.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<T> Drop for Post<T> {
    fn drop(&mut self) {
        self.call_back();
    }
}
