//! What the ServiceAccounts of both daemons may do, held against the table in `docs/operations.md`: everything in it, and of
//! everything else that the API server knows, nothing.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};

use super::super::page;
use super::cluster::Cluster;
use super::installed::{DAEMONS, NAMESPACE, install};

/// Verbs that the rules of access know, those that no request has included.
const VERBS: [&str; 11] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
];
/// The workloads that are watched and changed.
const SEVEN: [&str; 7] = [
    "api-gateway",
    "image-generation",
    "video-generation",
    "crypto-prediction",
    "orchestrator",
    "fraud-detection",
    "auto-scaler",
];
/// A name that nobody has.
const STRANGER: &str = "somebody-else";
/// What every account of a cluster may ask, about itself.
const OF_EVERYBODY: [&str; 3] = ["selfsubjectaccessreviews", "selfsubjectreviews", "selfsubjectrulesreviews"];

/// A row of the table.
struct Right {
    account: String,
    verbs: Vec<String>,
    resource: String,
    /// None where it is not limited to names.
    names: Option<Vec<String>>,
}

fn documented() -> Vec<Right> {
    let text = page::chapter("### What each right is for");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let words =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    let rights = rows.map(|row| {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [account, verbs, resource, which, reason] = cells[..] else { panic!("{row}") };
        assert!(!reason.is_empty(), "what for: {row}");
        let names = match which {
            "all" => None,
            "the seven" => Some(SEVEN.map(str::to_owned).to_vec()),
            "those of the seven" => Some(SEVEN.map(|name| format!("{name}-service")).to_vec()),
            named => Some(words(named)),
        };
        assert!(names.as_ref().is_none_or(|names| !names.is_empty()), "which: {row}");
        let (account, resource) = (words(account).remove(0), words(resource).remove(0));
        Right { account, verbs: words(verbs), resource, names }
    });
    rights.collect()
}

impl Right {
    fn covers(&self, asked: &Asked) -> bool {
        self.account == asked.account
            && self.resource == asked.resource
            && self.verbs.iter().any(|verb| verb == asked.verb)
            && self.names.as_ref().is_none_or(|names| names.iter().any(|name| name == &asked.name))
    }
}

/// A question to the rules of access.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Asked {
    account: &'static str,
    verb: &'static str,
    group: String,
    /// With its subresource, as a Role has it.
    resource: String,
    name: String,
}

/// Every resource and subresource that the API server knows, with its group.
async fn resources(cluster: &Cluster) -> BTreeSet<(String, String)> {
    let mut paths = vec![(String::new(), "/api/v1".to_owned())];
    for group in cluster.get("/apis").await["groups"].as_array().unwrap() {
        let version = group["preferredVersion"]["groupVersion"].as_str().unwrap();
        paths.push((group["name"].as_str().unwrap().to_owned(), format!("/apis/{version}")));
    }
    let mut found = BTreeSet::new();
    for (group, path) in paths {
        for resource in cluster.get(&path).await["resources"].as_array().unwrap() {
            found.insert((group.clone(), resource["name"].as_str().unwrap().to_owned()));
        }
    }
    assert!(found.len() > 80, "{found:?}");
    found
}

/// What the rules of access answer, in a namespace.
async fn is_allowed(cluster: &Cluster, asked: &Asked, namespace: &str) -> bool {
    let (resource, subresource) = asked.resource.split_once('/').unwrap_or((&asked.resource, ""));
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:{NAMESPACE}:{}", asked.account),
            "groups": [
                "system:serviceaccounts",
                format!("system:serviceaccounts:{NAMESPACE}"),
                "system:authenticated",
            ],
            "resourceAttributes": {
                "namespace": namespace,
                "verb": asked.verb,
                "group": asked.group,
                "resource": resource,
                "subresource": subresource,
                "name": asked.name,
            },
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let (status, answer) = cluster.request(Method::POST, path, &review).await;
    assert_eq!(status, 201, "{answer}");
    answer["status"]["allowed"] == true
}

/// Asks everything, with each name that the table has for a resource, with one that it has not, and with none.
async fn allowed(cluster: &Cluster, rights: &[Right], namespace: &str) -> BTreeSet<Asked> {
    let mut questions = Vec::new();
    for (group, resource) in resources(cluster).await {
        let known = rights.iter().filter(|right| right.resource == resource);
        let mut names: BTreeSet<_> = known.filter_map(|right| right.names.clone()).flatten().collect();
        names.extend([String::new(), STRANGER.to_owned()]);
        for (account, _) in DAEMONS {
            for verb in VERBS {
                questions.extend(names.iter().map(|name| Asked {
                    account,
                    verb,
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                }));
            }
        }
    }
    let mut allowed = BTreeSet::new();
    for some in questions.chunks(32) {
        let answers = some.iter().map(|asked| is_allowed(cluster, asked, namespace));
        let answers = futures_util::future::join_all(answers).await;
        allowed.extend(some.iter().zip(answers).filter(|(_, is)| *is).map(|(asked, _)| asked.clone()));
    }
    // What is known about everybody: who they are, and whom the cluster's own certificates are from.
    allowed.retain(|asked| {
        let of_everybody = asked.verb == "create" && OF_EVERYBODY.contains(&asked.resource.as_str());
        !of_everybody && asked.resource != "clustertrustbundles"
    });
    allowed
}

#[tokio::test]
async fn the_accounts_may_do_what_the_table_says_and_nothing_else() {
    let Some(cluster) = Cluster::start().await else { return };
    install(&cluster).await;
    let rights = documented();
    let found = allowed(&cluster, &rights, NAMESPACE).await;
    for asked in &found {
        assert!(rights.iter().any(|right| right.covers(asked)), "not in the table: {asked:?}");
    }
    for right in &rights {
        for verb in &right.verbs {
            let names = right.names.clone().unwrap_or_else(|| vec![String::new(), STRANGER.to_owned()]);
            for name in names {
                let is_there = found.iter().any(|asked| {
                    asked.account == right.account
                        && asked.verb == verb
                        && asked.resource == right.resource
                        && asked.name == name
                });
                assert!(is_there, "{} may not {verb} {} {name}", right.account, right.resource);
            }
        }
    }
    let elsewhere = allowed(&cluster, &rights, "default").await;
    assert_eq!(elsewhere, BTreeSet::new(), "in another namespace");
}

/// Of each kind that matters a request that is carried out, and those beside it that are not.
#[tokio::test]
async fn with_its_token_an_account_restarts_what_it_watches_and_touches_nothing_else() {
    let Some(cluster) = Cluster::start().await else { return };
    install(&cluster).await;
    let create = ["--namespace", NAMESPACE, "create", "deployment", "api-gateway", "--image", "web:1"];
    assert!(cluster.kubectl_output(&create, "").status.success());
    cluster.rolled_out(NAMESPACE, "api-gateway").await;
    let kubeconfig = cluster.kubeconfig_of("health-monitor", NAMESPACE);
    let asks = |line: &str| {
        let as_it = vec!["--kubeconfig", kubeconfig.to_str().unwrap()];
        let ran = cluster.kubectl_output(&[as_it, line.split(' ').collect()].concat(), "");
        (ran.status.success(), String::from_utf8_lossy(&ran.stderr).into_owned())
    };
    for line in ["get pods", "rollout restart deployment/api-gateway"] {
        let (done, told) = asks(line);
        assert!(done, "{line}: {told}");
    }
    for line in [
        "get secrets",
        "get configmap ai-config",
        "rollout restart deployment/self-evolution",
        "delete pod --all",
        "delete deployment api-gateway",
        "run another --image web:1",
        "create token health-monitor",
        "get pods --namespace default",
        "get nodes",
        "get pods --as admin",
    ] {
        let (done, told) = asks(line);
        assert!(!done && told.contains("orbidden"), "{line}: {told}");
    }
    let rolled = cluster.rolled_out(NAMESPACE, "api-gateway").await;
    let annotations: &Value = &rolled["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations["kubectl.kubernetes.io/restartedAt"].is_string(), "{annotations}");
}
