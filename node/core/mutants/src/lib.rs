//! Mistakes that the product could have made, to see that its tests would notice.
//!
//! Where one could have been made stands `mutants::is(Mutant::...)`. Without the feature `on` that is `false` at compile time,
//! and nothing of it is in the binary. With it, one thread makes one mistake at a time: a simulated cluster lives on a thread.

#[cfg(all(feature = "on", not(debug_assertions)))]
compile_error!("mutants have no place in a release build");

macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// A mistake.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name),+];

            /// The name by which it is asked for.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$name => $text,)+
                }
            }
        }
    };
}

mutants! {
    /// A log entry counts as durable before it is.
    AcknowledgeBeforeSync = "acknowledge-before-sync",
    /// A replica votes right after its start, though its former life may have promised not to.
    VoteAfterRestart = "vote-after-restart",
    /// A lease lasts as long as followers refuse to vote, whatever the clocks.
    LeaseWithoutMargin = "lease-without-margin",
    /// A lease does not end by itself: it ignores that the process stood still.
    LeaseForEver = "lease-for-ever",
    /// A leader keeps its lease while it hands over.
    LeaseInTransfer = "lease-in-transfer",
    /// A group keeps its lease for as long as it sleeps.
    LeaseAsleep = "lease-asleep",
    /// A leader that hears no majority goes on to hold its followers.
    SpeakUnheard = "speak-unheard",
    /// Whoever has forwarded a command to a leader that is gone waits for its answer, though another leads by now.
    WaitForFormerLeader = "wait-for-former-leader",
    /// Strong reads are answered by whoever is asked.
    ReadOnFollower = "read-on-follower",
    /// Strong reads are answered as if they were eventual.
    StrongAsEventual = "strong-as-eventual",
    /// A leader answers strong reads before it has applied an entry of its own term.
    ReadBeforeOwnTerm = "read-before-own-term",
    /// A leader evaluates commands before it has applied an entry of its own term.
    EvaluateBeforeOwnTerm = "evaluate-before-own-term",
    /// A refusal goes out without asking whether this replica still leads.
    RefuseWithoutLease = "refuse-without-lease",
    /// A reply goes out before what it was evaluated on is applied.
    ReplyBeforeApplied = "reply-before-applied",
    /// An entry takes effect in another term than it was evaluated in.
    SkipTermGuard = "skip-term-guard",
    /// An entry takes effect on another entry than it was evaluated on.
    SkipPredecessorCheck = "skip-predecessor-check",
    /// Ids of commands are not remembered.
    ForgetIds = "forget-ids",
    /// Each attempt of a command has an id of its own.
    NewIdForEachAttempt = "new-id-for-each-attempt",
    /// The log is purged up to what is applied, not to what is durable.
    PurgeTooEarly = "purge-too-early",
    /// The applied position is written before the rows that it speaks of.
    AppliedApart = "applied-apart",
    /// A snapshot ends a piece too early.
    SnapshotWithoutTail = "snapshot-without-tail",
    /// A page goes on one row too far behind the place where the last one ended.
    SkipRowBetweenPages = "skip-row-between-pages",
    /// What an item had in a local index stays there when it changes.
    LeaveIndexEntry = "leave-index-entry",
    /// An index takes a delivery again, or one that others have overtaken.
    TakeDeliveryTwice = "take-delivery-twice",
    /// A feed's cursor moves before the index has what it passes.
    MoveCursorEarly = "move-cursor-early",
    /// Change records go though a consumer has not passed them.
    TrimUnread = "trim-unread",
    /// A write takes no notice of another transaction's intent on its item.
    WriteThroughIntent = "write-through-intent",
    /// A strong read takes no notice of an intent: it answers the row as applied.
    ReadThroughIntent = "read-through-intent",
    /// TransactGetItems takes no notice of a write that is under way.
    TransactGetThroughIntent = "transact-get-through-intent",
    /// A decision replaces the one that stands.
    DecideTwice = "decide-twice",
    /// An abort is forgotten as soon as it is decided.
    ForgetAborts = "forget-aborts",
    /// Participants make rows of their intents before the transaction is decided.
    FinishBeforeDecision = "finish-before-decision",
    /// A commit is forgotten before its participants have applied it.
    ForgetBeforeFinished = "forget-before-finished",
    /// An old intent is dropped without asking what was decided.
    DropOldIntents = "drop-old-intents",
    /// A strong read that meets an intent answers the old item without asking what was decided.
    ReadOldWithoutDecision = "read-old-without-decision",
    /// A strong read that hears of no commit answers the old item without looking whether the intent still stands.
    ReadOldWithoutLookingAgain = "read-old-without-looking-again",
    /// TransactGetItems does not look whether its items changed while it read them.
    ReadOnce = "read-once",
    /// A write that is throttled has its effects all the same.
    ThrottleTooLate = "throttle-too-late",
    /// What is lent to another node can still be consumed here.
    LendAndKeep = "lend-and-keep",
    /// Request tokens are not remembered.
    ForgetRequestTokens = "forget-request-tokens",
    /// Request tokens are remembered where their transactions begin, and nowhere else.
    ClaimNoTokens = "claim-no-tokens",
    /// A write that changes an item leaves no change record.
    SkipChangeRecord = "skip-change-record",
    /// Change records are written behind the batch that has their rows.
    ChangeRecordOutsideBatch = "change-record-outside-batch",
    /// A child shard is listed while its parent is still open.
    ChildBeforeParentClosed = "child-before-parent-closed",
    /// Whoever goes on with a trigger leaves out the record that comes next.
    ResumeTriggerLate = "resume-trigger-late",
    /// A trigger's position moves before the function has answered.
    MoveTriggerEarly = "move-trigger-early",
    /// An item that was due when it was looked for is deleted, whatever it is by now.
    TtlUnconditional = "ttl-unconditional",
}

/// Whether the mistake is to be made here and now.
#[cfg(not(feature = "on"))]
#[inline(always)]
pub const fn is(_mutant: Mutant) -> bool {
    false
}

#[cfg(feature = "on")]
thread_local!(static ACTIVE: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) });

/// Whether the mistake is to be made here and now.
#[cfg(feature = "on")]
pub fn is(mutant: Mutant) -> bool {
    ACTIVE.get() == Some(mutant)
}

/// From now on this thread makes that mistake, and no other.
#[cfg(feature = "on")]
pub fn activate(mutant: Option<Mutant>) {
    ACTIVE.set(mutant);
}
