//! Who a cluster believes: an authority that lives as long as it does, and what it certifies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde_json::{Value, json};

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) certificate: String,
    pub(super) key: String,
}

/// A certificate and its key, as PEM.
pub(super) struct Identity {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, "stories");
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap().pem();
        let pem = key.serialize_pem();
        Self { issuer: Issuer::new(parameters, key), certificate, key: pem }
    }

    /// Certifies a user of this name, in a group, or a server with these addresses.
    pub(super) fn certify(&self, name: &str, group: Option<&str>, addresses: &[&str]) -> Identity {
        let addresses: Vec<_> = addresses.iter().map(|&address| address.to_owned()).collect();
        let mut parameters = CertificateParams::new(addresses).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        if let Some(group) = group {
            parameters.distinguished_name.push(DnType::OrganizationName, group);
        }
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }

    /// A kubeconfig for who has these credentials.
    pub(super) fn kubeconfig(&self, server: &str, namespace: &str, credentials: &Value) -> String {
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "story",
            "contexts": [{"name": "story", "context": {"cluster": "story", "user": "story", "namespace": namespace}}],
            "clusters": [{
                "name": "story",
                "cluster": {"server": server, "certificate-authority-data": STANDARD.encode(&self.certificate)},
            }],
            "users": [{"name": "story", "user": credentials}],
        })
        .to_string()
    }
}

impl Identity {
    /// How a kubeconfig names them.
    pub(super) fn credentials(&self) -> Value {
        json!({
            "client-certificate-data": STANDARD.encode(&self.certificate),
            "client-key-data": STANDARD.encode(&self.key),
        })
    }
}
