//! The last lines that the pods of a workload have written.

use super::Kubernetes;
use super::pods::{PodSeen, PodState};
use crate::order::Unreachable;

/// Lines of each container at most.
const LINES: u32 = 200;
/// Bytes in all at most.
const BYTES: usize = 64 * 1024;
/// Pods of which lines are taken; those that are sick come first.
const PODS: usize = 3;

impl Kubernetes {
    /// The last lines of the pods that are worst off, and of what ran in them before. Takes as long as the API server
    /// does: the caller sets the limit.
    pub(in crate::platform) async fn logs(&self) -> Result<String, Unreachable> {
        let look = self.look().await?;
        let mut pods = look.those(|state| !matches!(state, PodState::Unscheduled(_) | PodState::Lost));
        pods.sort_by_key(|pod| !matches!(pod.state, PodState::Sick(_) | PodState::Failed(_)));
        pods.truncate(PODS);
        let each = BYTES / (2 * pods.len().max(1));
        let (mut all, mut failed) = (String::new(), None);
        for pod in pods {
            for is_previous in [true, false] {
                if is_previous && !pod.has_run_before {
                    continue;
                }
                match self.read_log(&look.workload.namespace, pod, is_previous, each).await {
                    Ok(text) => {
                        let before = if is_previous { ", before its last restart" } else { "" };
                        all += &format!("== {}{before} ==\n{text}", pod.name);
                        if !text.ends_with('\n') {
                            all.push('\n');
                        }
                    }
                    Err(unreachable) => failed = Some(unreachable),
                }
            }
        }
        match failed {
            // A pod that never ran has no log; those of the others are worth something.
            Some(unreachable) if all.is_empty() => Err(unreachable),
            Some(_) | None => Ok(all),
        }
    }

    async fn read_log(
        &self,
        namespace: &str,
        pod: &PodSeen,
        is_previous: bool,
        most: usize,
    ) -> Result<String, Unreachable> {
        let container = pod.container.as_ref().map(|name| format!("&container={name}")).unwrap_or_default();
        let path = format!(
            "/api/v1/namespaces/{namespace}/pods/{}/log?tailLines={LINES}&timestamps=true&previous={is_previous}{container}",
            pod.name
        );
        let tried = format!("read the log of pod {} in {namespace}", pod.name);
        Ok(last_lines(&self.access.text(&tried, &path).await?, most).to_owned())
    }
}

/// The end of a text, beginning with a whole line: what a cut line begins with could be the rest of a secret.
fn last_lines(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let cut = text.len() - most;
    let line = text.as_bytes()[cut..].iter().position(|byte| *byte == b'\n');
    line.map_or("", |line| text.get(cut + line + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_cut_at_the_beginning_of_a_line() {
        assert_eq!(last_lines("one\ntwo\nthree\n", 8), "three\n");
        assert_eq!(last_lines("one\n", 8), "one\n");
        assert_eq!(last_lines("xxxxxxxxxx", 5), "");
    }
}
