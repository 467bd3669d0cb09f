use std::io::Write as _;

use tempfile::NamedTempFile;

use super::*;

/// A kubeconfig for an API server at this address, with a token that nobody may see.
fn kubeconfig(server: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         contexts: [{{name: test, context: {{cluster: test, user: test, namespace: shop}}}}]\n\
         clusters: [{{name: test, cluster: {{server: \"{server}\"}}}}]\n\
         users: [{{name: test, user: {{token: very-secret}}}}]\n"
    );
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn without_credentials_the_sentence_says_where_they_were_looked_for_and_what_to_do() {
    let access = Access::new(Some("/nowhere/kubeconfig"), None);
    let told = access.ping().await.unwrap_err().to_string();
    assert!(
        told.starts_with(
            "ask Kubernetes for its version: no way to the API server by KUBECONFIG (/nowhere/kubeconfig): "
        ),
        "{told}"
    );
    assert!(told.ends_with("set KUBECONFIG, or choose another RECOVERY_BACKEND"), "{told}");
}

#[tokio::test]
async fn a_refused_port_means_that_nothing_was_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = kubeconfig(&format!("http://{free}"));
    let access = Access::new(file.path().to_str(), None);
    let failure = access.create("evict pod web-1 in shop", "/api/v1/x", &Value::Null).await.unwrap_err();
    assert!(matches!(failure.fault, Fault::NoConnection(_)), "{failure:?}");
    let told = failure.to_string();
    assert!(told.contains(&format!("not reachable at http://{free}: Connection refused")), "{told}");
}

#[tokio::test]
async fn the_namespace_is_the_one_that_is_set_else_that_of_the_context() {
    let file = kubeconfig("http://127.0.0.1:1");
    let of = |namespace| Access::new(file.path().to_str(), namespace);
    assert_eq!(of(None).namespace().await.unwrap(), "shop");
    assert_eq!(of(Some("infra")).namespace().await.unwrap(), "infra");
    assert_eq!(of(Some("")).namespace().await.unwrap(), "shop");
}

#[tokio::test]
async fn nothing_that_is_printed_has_the_token() {
    let file = kubeconfig("http://127.0.0.1:1");
    let access = Access::new(file.path().to_str(), None);
    let failure = access.ping().await.unwrap_err();
    assert!(!format!("{access:?} {failure:?} {failure}").contains("very-secret"));
}
