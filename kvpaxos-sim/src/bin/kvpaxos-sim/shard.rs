//! Which part of a sweep this process plays: `--shard`, or the variables that schedulers set.

use std::env;
use std::str::FromStr;

use kvpaxos_sim::receipts::Shard;

/// The value of `--shard`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ShardArgument {
    /// `I/N`
    Given(Shard),
    /// `auto` or `auto/N`: the scheduler says which.
    Auto { count: Option<u64> },
}

impl FromStr for ShardArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<ShardArgument, String> {
        if text == "auto" {
            return Ok(ShardArgument::Auto { count: None });
        }
        if let Some(count) = text.strip_prefix("auto/") {
            let parsed = count.parse::<u64>().ok().filter(|count| *count > 0);
            let count = parsed.ok_or_else(|| format!("{count:?} is no number of shards"))?;
            return Ok(ShardArgument::Auto { count: Some(count) });
        }
        let given = text.parse().map(ShardArgument::Given);
        given.map_err(|why: kvpaxos_sim::receipts::ShardError| why.to_string())
    }
}

impl ShardArgument {
    /// The shard that it stands for in this process.
    ///
    /// # Errors
    /// A sentence that says which variable is missing or wrong.
    pub(crate) fn shard(self) -> Result<Shard, String> {
        match self {
            ShardArgument::Given(shard) => Ok(shard),
            ShardArgument::Auto { count } => scheduled(count, |name| env::var(name).ok()),
        }
    }
}

/// The shard that the scheduler's variables say. That of Kubernetes counts more than those of Slurm.
fn scheduled(count: Option<u64>, variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    let number = |name: &str| match variable(name) {
        None => Ok(None),
        Some(text) => match text.parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(why) => Err(format!("{name} is {text:?}, which is no number: {why}")),
        },
    };
    let shard = |index, count| Shard::new(index, count).map_err(|why| why.to_string());
    if let Some(index) = number("JOB_COMPLETION_INDEX")? {
        let count = count.ok_or(
            "JOB_COMPLETION_INDEX says which shard this is, but Kubernetes does not say how many there are: write --shard auto/N, \
             with the completions of the job",
        )?;
        return shard(index, count);
    }
    let Some(id) = number("SLURM_ARRAY_TASK_ID")? else {
        return Err(
            "neither JOB_COMPLETION_INDEX (Kubernetes) nor SLURM_ARRAY_TASK_ID (Slurm) is set: write --shard I/N".to_owned(),
        );
    };
    let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
    let last = number("SLURM_ARRAY_TASK_MAX")?;
    let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
    let tasks = number("SLURM_ARRAY_TASK_COUNT")?;
    let place = id
        .checked_sub(first)
        .filter(|above| above % step == 0)
        .map(|above| above / step);
    let is_whole = match (tasks, last.and_then(|last| last.checked_sub(first))) {
        (Some(tasks), Some(above)) => above / step + 1 == tasks,
        _ => true,
    };
    let Some(index) = place.filter(|_| is_whole) else {
        return Err(format!(
            "the Slurm array leaves out numbers between its first ({first}) and its last, so {id} does not say which shard this is: \
             write --array=0-N"
        ));
    };
    let count = count.or(tasks).ok_or(
        "SLURM_ARRAY_TASK_ID says which shard this is, but SLURM_ARRAY_TASK_COUNT is not set: write --shard auto/N",
    )?;
    shard(index, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shard with these variables, `NAME=VALUE NAME=VALUE`.
    fn with(variables: &str, count: Option<u64>) -> Result<String, String> {
        let value = |name: &str| {
            let mut all = variables.split_whitespace().filter_map(|one| one.split_once('='));
            all.find(|(known, _)| *known == name)
                .map(|(_, value)| value.to_owned())
        };
        scheduled(count, value).map(|shard| shard.to_string())
    }

    #[test]
    fn kubernetes_says_which_and_the_flag_how_many() {
        assert_eq!(with("JOB_COMPLETION_INDEX=3", Some(8)), Ok("3/8".to_owned()));
        assert!(
            with("JOB_COMPLETION_INDEX=3", None)
                .unwrap_err()
                .contains("auto/N")
        );
        assert!(
            with("JOB_COMPLETION_INDEX=8", Some(8))
                .unwrap_err()
                .contains("no shard 8 of 8")
        );
        assert!(
            with("JOB_COMPLETION_INDEX=x", Some(8))
                .unwrap_err()
                .contains("is \"x\", which is no number")
        );
    }

    #[test]
    fn slurm_says_both() {
        let array =
            "SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_MAX=4 SLURM_ARRAY_TASK_COUNT=4 SLURM_ARRAY_TASK_ID=";
        assert_eq!(with(&format!("{array}1"), None), Ok("0/4".to_owned()));
        assert_eq!(with(&format!("{array}4"), None), Ok("3/4".to_owned()));
        assert_eq!(with(&format!("{array}4"), Some(6)), Ok("3/6".to_owned()));
        assert!(
            with(&format!("{array}0"), None)
                .unwrap_err()
                .contains("does not say which")
        );
        assert_eq!(with("SLURM_ARRAY_TASK_ID=2", Some(3)), Ok("2/3".to_owned()));
        assert!(
            with("SLURM_ARRAY_TASK_ID=2", None)
                .unwrap_err()
                .contains("auto/N")
        );
    }

    #[test]
    fn a_slurm_array_with_holes_is_refused() {
        let steps = "SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=6 SLURM_ARRAY_TASK_STEP=2 SLURM_ARRAY_TASK_COUNT=4 \
                     SLURM_ARRAY_TASK_ID=";
        assert_eq!(with(&format!("{steps}4"), None), Ok("2/4".to_owned()));
        assert!(
            with(&format!("{steps}3"), None)
                .unwrap_err()
                .contains("--array=0-N")
        );
        let holes =
            "SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=6 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_ID=6";
        assert!(with(holes, None).unwrap_err().contains("leaves out numbers"));
    }

    #[test]
    fn kubernetes_counts_more_and_without_either_there_is_an_error() {
        let both = "JOB_COMPLETION_INDEX=1 SLURM_ARRAY_TASK_ID=2 SLURM_ARRAY_TASK_COUNT=5";
        assert_eq!(with(both, Some(4)), Ok("1/4".to_owned()));
        assert!(with("", Some(4)).unwrap_err().contains("neither"));
    }

    #[test]
    fn what_the_flag_takes() {
        assert_eq!("auto".parse(), Ok(ShardArgument::Auto { count: None }));
        assert_eq!("auto/7".parse(), Ok(ShardArgument::Auto { count: Some(7) }));
        assert_eq!(
            "2/7"
                .parse::<ShardArgument>()
                .and_then(ShardArgument::shard)
                .map(String::from),
            Ok("2/7".to_owned())
        );
        for text in ["auto/0", "auto/x", "automatic", "7/7", ""] {
            assert!(text.parse::<ShardArgument>().is_err(), "{text}");
        }
    }
}
