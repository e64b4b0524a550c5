//! A headless Chromium, driven by the DevTools protocol over a pair of pipes (`--remote-debugging-pipe`): messages of JSON, each
//! with a zero byte at its end.

use std::cell::{Cell, RefCell};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::SOON;

/// What cases with a browser need.
pub const CHROMIUM: (&str, &str) = ("chromium", "apt-get install chromium");

/// No network of its own accord, no profile of anybody's, and no more shared memory than a container has.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
];

/// A browser with one page.
pub struct Page {
    child: Child,
    to: RefCell<ChildStdin>,
    from: Receiver<Value>,
    session: RefCell<Option<String>>,
    last: Cell<u64>,
    /// What it told of its own accord, and nobody has asked for yet.
    events: RefCell<Vec<Value>>,
    _profile: TempDir,
}

impl Page {
    /// Starts it, with an empty page.
    ///
    /// # Panics
    /// It does not start.
    pub fn new() -> Self {
        let profile = super::tempdir();
        // It reads from descriptor 3 and writes to descriptor 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let (to, out) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let (tell, from) = mpsc::channel();
        std::thread::spawn(move || {
            for message in BufReader::new(out).split(0) {
                let read = message.ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
                let Some(read) = read else { return };
                if tell.send(read).is_err() {
                    return;
                }
            }
        });
        let (session, events) = (RefCell::default(), RefCell::default());
        let page = Self {
            child,
            to: RefCell::new(to),
            from,
            session,
            last: Cell::new(0),
            events,
            _profile: profile,
        };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = page.call("Target.attachToTarget", attach)["sessionId"].as_str().map(str::to_owned);
        *page.session.borrow_mut() = session;
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    /// A command's result.
    ///
    /// # Panics
    /// It fails, or takes too long.
    pub fn call(&self, method: &str, parameters: Value) -> Value {
        let id = self.last.get() + 1;
        self.last.set(id);
        let mut message = json!({ "id": id, "method": method, "params": parameters });
        if let Some(session) = &*self.session.borrow() {
            message["sessionId"] = json!(session);
        }
        let mut to = self.to.borrow_mut();
        to.write_all(format!("{message}\0").as_bytes()).expect("chromium reads");
        loop {
            let told = self.from.recv_timeout(SOON).unwrap_or_else(|_| panic!("no answer to {method}"));
            if told["id"] == json!(id) {
                assert!(told.get("error").is_none(), "{method}: {told}");
                return told["result"].clone();
            }
            self.events.borrow_mut().push(told);
        }
    }

    /// Opens a file, at a place in it if one is named, and waits until it is loaded.
    pub fn open(&self, file: &Path, place: &str) {
        let path = std::fs::canonicalize(file).expect("a page");
        let place = if place.is_empty() { String::new() } else { format!("#{place}") };
        // From one place of a page to another nothing would be loaded.
        self.navigate("about:blank");
        self.events.borrow_mut().clear();
        self.navigate(&format!("file://{}{place}", path.display()));
    }

    fn navigate(&self, url: &str) {
        let loaded = |event: &Value| event["method"] == "Page.loadEventFired";
        self.events.borrow_mut().retain(|event| !loaded(event));
        self.call("Page.navigate", json!({ "url": url }));
        while !self.events.borrow().iter().any(loaded) {
            let told = self.from.recv_timeout(SOON).unwrap_or_else(|_| panic!("{url} is not loaded"));
            self.events.borrow_mut().push(told);
        }
    }

    /// The value of an expression.
    ///
    /// # Panics
    /// It throws.
    pub fn js(&self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let told = self.call("Runtime.evaluate", asked);
        assert!(told.get("exceptionDetails").is_none(), "{expression}: {told}");
        told["result"]["value"].clone()
    }

    /// Presses a key: `Enter`, `Tab`, `Escape`, or `Space`.
    pub fn press(&self, key: &str) {
        let (key, code, number, text) = match key {
            "Enter" => ("Enter", "Enter", 13, "\r"),
            "Tab" => ("Tab", "Tab", 9, ""),
            "Escape" => ("Escape", "Escape", 27, ""),
            _ => (" ", "Space", 32, " "),
        };
        let mut down =
            json!({ "type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number });
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({ "type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number });
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types into what has the focus.
    pub fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// The window's size in pixels; a narrow one is a phone's.
    pub fn size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// What its reader prefers.
    pub fn dark(&self, on: bool) {
        let scheme = if on { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What it told of its own accord since the page was opened, by the event's name.
    pub fn told(&self, method: &str) -> Vec<Value> {
        let events = self.events.borrow();
        events.iter().filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// Keeps a picture of what is in sight in the directory that `HOTSPEC_SHOTS` names, if it does.
    pub fn shot(&self, name: &str) {
        let Some(dir) = std::env::var_os("HOTSPEC_SHOTS") else { return };
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = STANDARD.decode(shot["data"].as_str().unwrap_or_default()).expect("base64");
        std::fs::write(Path::new(&dir).join(format!("{name}.png")), bytes).expect("a picture");
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
