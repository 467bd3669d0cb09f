//! The statistics that findings and verdicts rest on: tests by rank, because response times have long tails, and corrected
//! for what measurements of a running service are: tied, and alike from one minute to the next.

pub mod autocorrelation;
pub mod bayes_factor;
pub mod benjamini_hochberg;
pub mod isotonic;
pub mod mann_whitney;
pub mod pettitt;
pub mod ranks;
pub mod shift;
pub mod spearman;
