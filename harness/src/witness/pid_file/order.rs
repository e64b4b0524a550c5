//! What the order of inotify events proves about moments that nobody saw.

use nix::sys::inotify::AddWatchFlags;

/// What is watched of the directory.
pub(super) const WATCHED: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_CLOSE_WRITE)
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
/// open(2) with O_CREAT makes a new file empty: IN_CREATE. An IN_MODIFY that follows is the first byte, and before it there
/// was none. rename(2) gives IN_MOVED_TO instead, and link(2) an IN_CREATE that no IN_MODIFY follows: both bring a file
/// that was written under another name.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Made, and neither written nor closed yet.
    made: bool,
    /// Renamed to something else.
    moved_away: bool,
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
            *self = Self { moved_away: true, made: false };
        } else if is(AddWatchFlags::IN_MOVED_TO) || is(AddWatchFlags::IN_CREATE) {
            // An exchange of two names (renameat2(2)) gives both events too, in the other order.
            proof.missing = self.moved_away;
            *self = Self { made: is(AddWatchFlags::IN_CREATE), moved_away: false };
        } else if is(AddWatchFlags::IN_MODIFY) {
            proof.empty = std::mem::take(&mut self.made);
        } else if is(AddWatchFlags::IN_CLOSE_WRITE) {
            self.made = false;
        }
        proof
    }

    /// What comes next is not the first byte: the file has another name, under which it was written; or it was looked at,
    /// and nothing happened for a while; or events were lost.
    pub(super) fn settled(&mut self) {
        self.made = false;
    }
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
    const MODIFY: AddWatchFlags = AddWatchFlags::IN_MODIFY;
    const WRITTEN: AddWatchFlags = AddWatchFlags::IN_CLOSE_WRITE;
    const DELETE: AddWatchFlags = AddWatchFlags::IN_DELETE;
    const FROM: AddWatchFlags = AddWatchFlags::IN_MOVED_FROM;
    const TO: AddWatchFlags = AddWatchFlags::IN_MOVED_TO;

    #[test]
    fn what_is_made_and_then_written_was_empty() {
        assert!(proved(&[CREATE, MODIFY, WRITTEN]).empty);
        assert!(!proved(&[CREATE, WRITTEN]).empty, "never written: only a look can tell");
    }

    #[test]
    fn what_comes_whole_by_link_or_rename_was_not() {
        assert!(!proved(&[CREATE]).empty);
        assert!(!proved(&[TO, MODIFY, WRITTEN]).empty, "written over later");
        assert!(!proved(&[DELETE, TO]).empty);
        let mut linked = Order::default();
        linked.feed(CREATE);
        linked.settled();
        assert!(!linked.feed(MODIFY).empty, "written over later");
    }

    #[test]
    fn what_is_written_over_may_or_may_not_have_been() {
        assert!(!proved(&[MODIFY, MODIFY, WRITTEN]).empty);
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
