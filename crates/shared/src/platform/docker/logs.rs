//! The last lines that the containers of a service have written.

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use super::Docker;
use super::failure::Failure;
use crate::order::Unreachable;

/// Lines of each container at most.
const LINES: &str = "200";
/// Bytes in all at most, from the end.
const BYTES: usize = 64 * 1024;
/// Replicas of which lines are taken; those that do not run come first.
const CONTAINERS: usize = 3;

impl Docker {
    /// The last lines of the containers of the service, with the times at which they were written. Takes as long as
    /// the engine does: the caller sets the limit.
    pub(in crate::platform) async fn logs(&self) -> Result<String, Unreachable> {
        let failed = |reason: String| Unreachable {
            reason: format!("read the log of container {}: {reason}", self.container()),
        };
        let mut instances = self.instances().await.map_err(failed)?;
        instances.sort_by_key(|instance| instance.running);
        instances.truncate(CONTAINERS);
        let mut all = Vec::new();
        for instance in &instances {
            if instances.len() > 1 {
                all.extend_from_slice(format!("== {} ==\n", instance.name).as_bytes());
            }
            let read = self.read(&instance.id, BYTES / instances.len()).await;
            let text = read.map_err(|failure| failed(failure.sentence(&self.address)))?;
            all.extend_from_slice(&text);
        }
        Ok(String::from_utf8_lossy(&all).into_owned())
    }

    async fn read(&self, id: &str, most: usize) -> Result<Vec<u8>, Failure> {
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).tail(LINES).build();
        let client = self.address.client()?;
        let mut lines = Box::pin(client.logs(id, Some(options)));
        let mut kept = Vec::new();
        while let Some(output) = lines.next().await {
            kept.extend_from_slice(&output?.into_bytes());
            if kept.len() > 2 * most {
                kept.drain(..kept.len() - most);
            }
        }
        Ok(last_lines(kept, most))
    }
}

/// The end of a text, beginning with a whole line: what a cut line begins with could be the rest of a secret.
fn last_lines(mut text: Vec<u8>, most: usize) -> Vec<u8> {
    if text.len() > most {
        text.drain(..text.len() - most);
        let line = text.iter().position(|byte| *byte == b'\n').map_or(text.len(), |end| end + 1);
        text.drain(..line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_log_is_cut_at_the_beginning_of_a_line() {
        assert_eq!(last_lines(b"one\ntwo\nthree\n".to_vec(), 8), b"three\n");
        assert_eq!(last_lines(b"one\n".to_vec(), 8), b"one\n");
        assert_eq!(last_lines(vec![b'x'; 20], 8), b"");
    }
}
