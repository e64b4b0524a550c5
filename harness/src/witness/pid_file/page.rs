//! Whether a file was cut to nothing since it was last looked at, though it is full again.
//!
//! Cutting a file to the length 0 takes its first page out of every mapping; writing over it does not. So the page is mapped
//! and locked, never touched, and /proc/self/pagemap (proc_pid_pagemap(5)) says whether it still is there. The order of
//! inotify events does not tell: the cut and the write that follows it are two equal events, which become one.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::ptr::NonNull;

use nix::sys::statfs::{
    BTRFS_SUPER_MAGIC, EXT4_SUPER_MAGIC, FsType, OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, XFS_SUPER_MAGIC, fstatfs,
};

/// Others (network and user-space file systems) may drop a page for reasons of their own.
const KEEP_THEIR_PAGES: [FsType; 5] =
    [EXT4_SUPER_MAGIC, XFS_SUPER_MAGIC, BTRFS_SUPER_MAGIC, TMPFS_MAGIC, OVERLAYFS_SUPER_MAGIC];
/// Bits of an entry: the page is there, or it is on its way from one place in memory to another.
const PRESENT: u64 = 1 << 63 | 1 << 62;

/// The first page of a file, mapped.
#[derive(Debug)]
pub(super) struct FirstPage {
    address: NonNull<libc::c_void>,
    length: usize,
    pagemap: File,
    /// Device and inode.
    identity: (u64, u64),
}

// SAFETY: the mapping belongs to the process and not to a thread, nobody else knows its address, and it is never accessed.
unsafe impl Send for FirstPage {}

impl FirstPage {
    /// Maps it; nothing if the file is empty, or the machine or its file system does not lend itself to this.
    pub(super) fn of(file: &File) -> Option<Self> {
        let kind = fstatfs(file).ok()?.filesystem_type();
        let metadata = file.metadata().ok()?;
        if !KEEP_THEIR_PAGES.contains(&kind) {
            return None;
        }
        // SAFETY: sysconf reads a constant.
        let length = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        let pagemap = File::open("/proc/self/pagemap").ok()?;
        let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
        // SAFETY: a new mapping at an address that the kernel chooses; the file is open for reading.
        let address =
            unsafe { libc::mmap(std::ptr::null_mut(), length, libc::PROT_READ, flags, file.as_raw_fd(), 0) };
        if address == libc::MAP_FAILED {
            return None;
        }
        let identity = (metadata.dev(), metadata.ino());
        let page = Self { address: NonNull::new(address)?, length, pagemap, identity };
        // Locked, so that a shortage of memory can't take it.
        // SAFETY: the range is the mapping just made.
        let locked = unsafe { libc::mlock(page.address.as_ptr(), length) } == 0;
        (locked && page.is_there()?).then_some(page)
    }

    /// Whether this file, which is still the one of this metadata, was cut since it was mapped.
    pub(super) fn was_cut(&self, now: &std::fs::Metadata) -> bool {
        self.is_there() == Some(false) && self.identity == (now.dev(), now.ino())
    }

    fn is_there(&self) -> Option<bool> {
        let number = self.address.as_ptr() as usize / self.length;
        let mut entry = [0; size_of::<u64>()];
        self.pagemap.read_exact_at(&mut entry, u64::try_from(number * size_of::<u64>()).ok()?).ok()?;
        Some(u64::from_ne_bytes(entry) & PRESENT != 0)
    }
}

impl Drop for FirstPage {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by this value, and no reference into it was ever made.
        unsafe { libc::munmap(self.address.as_ptr(), self.length) };
    }
}
