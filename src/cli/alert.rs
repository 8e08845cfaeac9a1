//! What are `alert`'s verbs asked for?

use clap::{Args, Subcommand, ValueEnum};

use crate::emit::channels::ChannelName;

/// When people are told of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, ValueEnum)]
pub enum Deliver {
    /// At its end, by the run itself; what is not taken in time stays for the next run or `alert flush`
    #[default]
    Now,
    /// Later, by `alert flush`: the run writes down what there is to tell, and sends nothing
    Spool,
    /// Never
    Off,
}

/// What to do about alerts.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum AlertVerb {
    /// Send a marked test through each configured channel, and print what the far end said; OK where all took it,
    /// CRITICAL where one did not, UNKNOWN where none is configured
    #[command(after_help = "Exit status: 0 all channels took it, 2 one did not, 3 none is configured.")]
    Test(TestFlags),
    /// Deliver everything that waits, now; CRITICAL where something still waits afterwards, UNKNOWN where nothing does
    /// and something could not be written or known
    #[command(
        after_help = "Exit status: 0 nothing waits any more, 2 something does, 3 something could not be known or written."
    )]
    Flush(FlushFlags),
    /// Print what waits, for which channel, since when and why
    #[command(after_help = super::runner::ANSWERS)]
    Pending,
}

impl AlertVerb {
    /// Whether people may have to hear of a check that could not even begin.
    #[must_use]
    pub fn tells_of_a_failed_unit(&self) -> bool {
        matches!(self, Self::Flush(FlushFlags { failed_unit: Some(_), dry_run: false, .. }))
    }
}

/// Flags of `alert test`.
#[derive(Args, Clone, Debug, PartialEq, Eq, Default)]
pub struct TestFlags {
    /// Send nothing, print what would be sent; secrets are left out
    #[arg(long)]
    pub dry_run: bool,
    /// Only this channel; may be repeated
    #[arg(long, value_name = "CHANNEL", value_enum)]
    pub channel: Vec<ChannelName>,
}

/// Flags of `alert flush`.
#[derive(Args, Clone, Debug, PartialEq, Eq, Default)]
pub struct FlushFlags {
    /// Send nothing, print what would be sent; secrets are left out
    #[arg(long)]
    pub dry_run: bool,
    /// Tell people first that this unit's last run died, where systemd's MONITOR_* variables or the lock file
    /// say so and the run left no record
    #[arg(long, value_name = "UNIT")]
    pub failed_unit: Option<String>,
    /// Give up what waits for this channel, which is no longer used; the alerts are lost to it
    #[arg(long, value_name = "CHANNEL", value_enum, conflicts_with_all = ["dry_run", "failed_unit"])]
    pub discard: Option<ChannelName>,
}

impl ValueEnum for ChannelName {
    fn value_variants<'a>() -> &'a [Self] {
        &Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.word()))
    }
}
