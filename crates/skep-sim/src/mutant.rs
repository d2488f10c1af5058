//! Planted bugs of the shell: each must be found, or the simulator looks without seeing.

/// One planted bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutant {
    /// Performs what was decided before it is in the log.
    ActBeforeAppend,
    /// Answers callers before it is in the log.
    AnswerBeforeAppend,
    /// Passes a late result off as one of the attempt that now holds the task.
    IgnoreFence,
    /// Starts an attempt although its folder exists.
    StartTwice,
    /// Resets a worktree without saving what is in it.
    ForgetSave,
    /// Says that the integration check passed without running it.
    LandUnchecked,
    /// Moves the integration branch without comparing.
    LandBlindly,
    /// Does not look at what attempts an earlier keeper left.
    AdoptNothing,
    /// Folds the last event twice when it begins.
    ApplyTwice,
    /// Drops the back-off between restarts.
    NoBackoff,
    /// Claims beyond the concurrency cap.
    IgnoreCap,
    /// Claims beyond what one provider may serve at once.
    IgnoreBulkhead,
    /// Tries a provider again before the time it said.
    ParkBriefly,
    /// Adds workers beyond their most, and lets them go before they have been idle for long.
    ScaleWildly,
    /// Waits for people for ever.
    AskForEver,
    /// Answers for people before their time.
    HurryPeople,
    /// Knows no cap on spending.
    NoCaps,
    /// Goes on with its engine after an append that failed.
    KeepEngine,
    /// Loses the idempotency keys of commands.
    ForgetKeys,
    /// Never stops an attempt.
    StopNothing,
    /// Sleeps through what is due.
    Deaf,
    /// Saves all that a shared worktree holds as the work of one attempt.
    SaveBeside,
    /// Lets attempts begin in a shared worktree without clearing their files.
    ClearNothing,
    /// Clears all of a shared worktree although others are in it.
    ClearBeside,
    /// Measures no attempt.
    Blind,
    /// Measures no signs of life.
    Hasty,
}

impl Mutant {
    /// All of them.
    pub const ALL: [Mutant; 26] = [
        Mutant::ActBeforeAppend,
        Mutant::AnswerBeforeAppend,
        Mutant::IgnoreFence,
        Mutant::StartTwice,
        Mutant::ForgetSave,
        Mutant::LandUnchecked,
        Mutant::LandBlindly,
        Mutant::AdoptNothing,
        Mutant::ApplyTwice,
        Mutant::NoBackoff,
        Mutant::IgnoreCap,
        Mutant::IgnoreBulkhead,
        Mutant::ParkBriefly,
        Mutant::ScaleWildly,
        Mutant::AskForEver,
        Mutant::HurryPeople,
        Mutant::NoCaps,
        Mutant::KeepEngine,
        Mutant::ForgetKeys,
        Mutant::StopNothing,
        Mutant::Deaf,
        Mutant::SaveBeside,
        Mutant::ClearNothing,
        Mutant::ClearBeside,
        Mutant::Blind,
        Mutant::Hasty,
    ];
}
