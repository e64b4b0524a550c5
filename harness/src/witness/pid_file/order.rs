//! What the order of inotify events proves about moments that nobody saw.

use nix::sys::inotify::AddWatchFlags;

/// What is watched of the directory.
pub(super) const WATCHED: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_OPEN)
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_CLOSE_NOWRITE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO);

/// What was proved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Proof {
    /// The file was there, and nothing was in it.
    pub(super) empty: bool,
    /// The name was not there.
    pub(super) missing: bool,
}

/// The events of one name, folded.
///
/// *Made and then written.* open(2) with O_CREAT makes a new file empty: IN_CREATE. An IN_MODIFY that follows is the first
/// byte, and before it there was none. rename(2) gives IN_MOVED_TO instead, and link(2) an IN_CREATE that no IN_MODIFY
/// follows: both bring a file that was written under another name.
///
/// *Cut and then written.* open(2) with O_TRUNC gives IN_MODIFY (the cut) before its own IN_OPEN. So IN_MODIFY while nobody
/// has the file open, IN_OPEN, IN_MODIFY, IN_CLOSE_WRITE was a file emptied and filled again. A cut by ftruncate(2), on a
/// descriptor that was open already, looks like any write: that one can only be seen.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Made, and neither written nor closed yet.
    made: bool,
    /// Somebody opened it and was not seen to close it.
    open: bool,
    cut: Cut,
    /// Renamed to something else.
    moved_away: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cut {
    #[default]
    No,
    /// Changed while nobody had it open.
    Changed,
    /// Then opened.
    Opened,
    /// Then changed again; since then so many have opened it.
    Written(u32),
}

impl Order {
    /// One event of the name.
    pub(super) fn feed(&mut self, mask: AddWatchFlags) -> Proof {
        let mut proof = Proof::default();
        let is = |flag| mask.contains(flag);
        if is(AddWatchFlags::IN_DELETE) {
            *self = Self::default();
            proof.missing = true;
        } else if is(AddWatchFlags::IN_MOVED_FROM) {
            *self = Self { moved_away: true, ..Self::default() };
        } else if is(AddWatchFlags::IN_MOVED_TO) || is(AddWatchFlags::IN_CREATE) {
            // An exchange of two names (renameat2(2)) gives both events too, in the other order.
            proof.missing = self.moved_away;
            *self = Self { made: is(AddWatchFlags::IN_CREATE), ..Self::default() };
        } else if is(AddWatchFlags::IN_OPEN) {
            self.open = true;
            self.cut = match self.cut {
                Cut::Changed => Cut::Opened,
                Cut::Written(others) => Cut::Written(others.saturating_add(1)),
                cut => cut,
            };
        } else if is(AddWatchFlags::IN_MODIFY) {
            proof.empty = std::mem::take(&mut self.made);
            self.cut = match self.cut {
                Cut::No if !self.open && !proof.empty => Cut::Changed,
                Cut::Opened => Cut::Written(0),
                cut => cut,
            };
        } else if is(AddWatchFlags::IN_CLOSE_WRITE) {
            proof.empty = matches!(self.cut, Cut::Written(_));
            self.close();
        } else if is(AddWatchFlags::IN_CLOSE_NOWRITE) {
            match self.cut {
                // A reader that came later; the writer is still there.
                Cut::Written(others) if others > 0 => self.cut = Cut::Written(others - 1),
                _ => {
                    self.open = false;
                    self.cut = Cut::No;
                }
            }
        }
        proof
    }

    /// Its writer has closed it, or events were lost.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    /// It has another name, under which it was written: it was made by link(2).
    pub(super) fn is_link(&mut self) {
        self.made = false;
    }

    /// It was looked at, and nothing happened for a while: what comes next has nothing to do with what was.
    pub(super) fn rest(&mut self) {
        self.made = false;
        self.cut = Cut::No;
    }

    /// Somebody is in the midst of making or writing it.
    pub(super) fn at_work(&self) -> bool {
        self.made || self.cut != Cut::No
    }
}

/// Whether an event changes what is there.
pub(super) fn changes(mask: AddWatchFlags) -> bool {
    !mask.intersects(AddWatchFlags::IN_OPEN | AddWatchFlags::IN_CLOSE_NOWRITE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proved(events: &[AddWatchFlags]) -> Proof {
        let mut order = Order::default();
        let mut all = Proof::default();
        for event in events {
            let proof = order.feed(*event);
            all.empty |= proof.empty;
            all.missing |= proof.missing;
        }
        all
    }

    const CREATE: AddWatchFlags = AddWatchFlags::IN_CREATE;
    const OPEN: AddWatchFlags = AddWatchFlags::IN_OPEN;
    const MODIFY: AddWatchFlags = AddWatchFlags::IN_MODIFY;
    const WRITTEN: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE;
    const READ: AddWatchFlags = AddWatchFlags::IN_CLOSE_NOWRITE;
    const DELETE: AddWatchFlags = AddWatchFlags::IN_DELETE;
    const FROM: AddWatchFlags = AddWatchFlags::IN_MOVED_FROM;
    const TO: AddWatchFlags = AddWatchFlags::IN_MOVED_TO;

    #[test]
    fn what_is_made_and_then_written_was_empty() {
        assert!(proved(&[CREATE, OPEN, MODIFY, WRITTEN]).empty);
        assert!(proved(&[CREATE, OPEN, OPEN, READ, MODIFY, WRITTEN]).empty);
        assert!(!proved(&[CREATE, OPEN, WRITTEN]).empty, "never written: only a look can tell");
    }

    #[test]
    fn what_comes_whole_by_link_or_rename_was_not() {
        assert!(!proved(&[CREATE, OPEN, READ]).empty);
        assert!(!proved(&[TO, OPEN, READ, TO, TO]).empty);
    }

    #[test]
    fn what_is_cut_on_opening_and_written_was_empty() {
        assert!(proved(&[MODIFY, OPEN, MODIFY, WRITTEN]).empty);
        assert!(proved(&[MODIFY, OPEN, MODIFY, OPEN, READ, WRITTEN]).empty, "with a reader in between");
        assert!(proved(&[OPEN, READ, MODIFY, OPEN, MODIFY, WRITTEN]).empty, "after a reader");
    }

    #[test]
    fn what_is_written_over_without_a_cut_was_not() {
        assert!(!proved(&[OPEN, MODIFY, WRITTEN]).empty);
        assert!(!proved(&[OPEN, MODIFY, WRITTEN, OPEN, MODIFY, WRITTEN]).empty);
        assert!(!proved(&[MODIFY, MODIFY]).empty, "by somebody who has held it open all along");
        assert!(!proved(&[MODIFY, OPEN, READ, MODIFY, OPEN, READ]).empty, "and somebody reads");
        assert!(!proved(&[MODIFY, OPEN, MODIFY, READ, WRITTEN]).empty, "at that very moment");
    }

    #[test]
    fn what_is_removed_or_moved_away_and_comes_back_was_missing() {
        assert!(proved(&[DELETE, CREATE]).missing);
        assert!(proved(&[FROM, CREATE]).missing);
        assert!(proved(&[FROM, TO]).missing);
        assert!(!proved(&[TO, TO]).missing, "replaced by rename");
        assert!(!proved(&[TO, FROM]).missing, "exchanged; or moved away, which a look tells");
    }
}
