//! The bytes of a `_bulk` request, and the meaning of its answer.

use serde::Deserialize;

use super::connection::shortened;

/// What has become of one document of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Item {
    /// It is there now.
    Created,
    /// It was there already: an earlier request had arrived, and its answer had not.
    Existing,
    /// The server has too much to do: to be sent again.
    Busy,
    /// The server failed over it: to be sent again, and not for ever.
    Failed(String),
    /// The server does not take this document, and never will.
    Refused(String),
    /// The server takes no document like it before somebody changes something there.
    Held(String),
}

/// Adds one document to the body of a request.
pub(super) fn push(body: &mut Vec<u8>, index: &str, id: &str, document: &[u8]) {
    // Neither names of indices nor identities have a character that JSON escapes.
    body.extend_from_slice(br#"{"create":{"_index":""#);
    body.extend_from_slice(index.as_bytes());
    body.extend_from_slice(br#"","_id":""#);
    body.extend_from_slice(id.as_bytes());
    body.extend_from_slice(b"\"}}\n");
    body.extend_from_slice(document);
    body.push(b'\n');
}

/// The parts of the answer that [`items`] reads; asking for no others keeps it small.
pub(super) const FILTER: &str =
    "items.*.status,items.*.error.type,items.*.error.reason,items.*.error.caused_by.reason";

#[derive(Deserialize)]
struct Answer {
    items: Vec<Created>,
}

#[derive(Deserialize)]
struct Created {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    r#type: Option<String>,
    reason: Option<String>,
    caused_by: Option<CausedBy>,
}

#[derive(Deserialize)]
struct CausedBy {
    reason: Option<String>,
}

/// Reads the answer to a request of so many documents, in their order. An answer that is cut off, or is about
/// another number of documents, says nothing about any of them.
pub(super) fn items(answer: &[u8], documents: usize) -> Result<Vec<Item>, String> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|error| format!("the answer to a bulk request cannot be read ({error})"))?;
    if answer.items.len() != documents {
        let answered = answer.items.len();
        return Err(format!("{documents} documents were sent, and {answered} were answered for"));
    }
    Ok(answer.items.into_iter().map(|item| judge(item.create)).collect())
}

/// What the document itself is to blame for. Everything else may end, and must not cost a document: an index that is
/// full or closed, a limit of shards, a missing pipeline.
const FAULTS_OF_DOCUMENTS: [&str; 4] = [
    "document_parsing_exception",
    // The same in OpenSearch, and in Elasticsearch before 8.8.
    "mapper_parsing_exception",
    "strict_dynamic_mapping_exception",
    // A term that is too long, a field of another kind than before.
    "illegal_argument_exception",
];

fn judge(outcome: Outcome) -> Item {
    let kind = outcome.error.as_ref().and_then(|cause| cause.r#type.as_deref()).unwrap_or_default();
    let is_to_blame = FAULTS_OF_DOCUMENTS.contains(&kind) && !is_about_the_server(&outcome);
    match outcome.status {
        200 | 201 => Item::Created,
        409 => Item::Existing,
        429 | 503 => Item::Busy,
        500..=599 => Item::Failed(reason(outcome)),
        400 if is_to_blame => Item::Refused(reason(outcome)),
        _ => Item::Held(reason(outcome)),
    }
}

/// Some limits of the server come as illegal arguments.
fn is_about_the_server(outcome: &Outcome) -> bool {
    let reason = outcome.error.as_ref().and_then(|cause| cause.reason.as_deref()).unwrap_or_default();
    reason.contains("shards open") || reason.contains("pipeline")
}

fn reason(outcome: Outcome) -> String {
    let status = outcome.status;
    let Some(cause) = outcome.error else { return format!("status {status}") };
    let kind = cause.r#type.unwrap_or_else(|| "error".to_owned());
    let deeper = cause.caused_by.and_then(|cause| cause.reason);
    let words: Vec<String> = cause.reason.into_iter().chain(deeper).collect();
    shortened(&format!("status {status}, {kind}: {}", words.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_takes_two_lines() {
        let mut body = Vec::new();
        push(&mut body, "errors-2026.11.24", "0a-1", br#"{"a":1}"#);
        let expected = "{\"create\":{\"_index\":\"errors-2026.11.24\",\"_id\":\"0a-1\"}}\n{\"a\":1}\n";
        assert_eq!(String::from_utf8(body).unwrap(), expected);
    }

    #[test]
    fn an_answer_is_read_document_by_document() {
        let answer = br#"{"items":[{"create":{"status":201}},{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"exists"}}},
            {"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}},
            {"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad","caused_by":{"reason":"not a number"}}}},
            {"create":{"status":500,"error":{"type":"null_pointer_exception","reason":"oops"}}},
            {"create":{"status":400,"error":{"type":"validation_exception","reason":"this action would add [2] shards, but this cluster currently has [1000]/[1000] maximum normal shards open"}}},
            {"create":{"status":400,"error":{"type":"index_closed_exception","reason":"closed"}}},
            {"create":{"status":404,"error":{"type":"index_not_found_exception","reason":"no such index"}}},
            {"create":{"status":403,"error":{"type":"security_exception","reason":"not yours"}}}]}"#;
        let items = items(answer, 9).unwrap();
        assert_eq!(items[..3], [Item::Created, Item::Existing, Item::Busy]);
        let refused = "status 400, document_parsing_exception: bad; not a number".to_owned();
        assert_eq!(items[3], Item::Refused(refused));
        assert_eq!(items[4], Item::Failed("status 500, null_pointer_exception: oops".to_owned()));
        for held in &items[5..] {
            assert!(matches!(held, Item::Held(_)), "it may end, and cost no document: {held:?}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_off_or_counts_otherwise_says_nothing() {
        assert!(items(br#"{"items":[{"create":{"status":201}}"#, 1).is_err());
        assert!(items(br#"{"items":[{"create":{"status":201}}]}"#, 2).unwrap_err().contains("2 documents"));
        assert!(items(b"", 1).is_err());
    }
}
