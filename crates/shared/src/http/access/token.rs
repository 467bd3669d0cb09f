//! Bearer tokens: reading the setting, and comparing without telling anything by the time it takes.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::{Role, Token};

/// Every request is compared with all of them.
const MOST: usize = 100;

/// The shortest accepted secret, in characters: shorter ones are guessed even at the limited rate.
const SHORTEST: usize = 8;

/// A token setting that cannot be used. Says which entry and why, never its text.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("token {entry}: {reason}")]
pub struct InvalidToken {
    /// Which entry of the setting, from 1.
    pub entry: usize,
    /// What is wrong with it and what is right.
    pub reason: &'static str,
}

impl Token {
    /// Reads a setting such as `operator:abcdefgh,viewer:ijklmnop,qrstuvwx`: entries between commas or line
    /// ends, each a secret of at least 8 visible ASCII characters after an optional role. Without one it is an
    /// operator's. An empty setting gives no token.
    pub fn parse_list(setting: &str) -> Result<Vec<Self>, InvalidToken> {
        let entries = setting.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        let mut tokens: Vec<Self> = Vec::new();
        for (index, text) in entries.enumerate() {
            let invalid = |reason| InvalidToken { entry: index + 1, reason };
            if index == MOST {
                return Err(invalid("is one too many: 100 tokens are the most"));
            }
            let token = parse(text).map_err(invalid)?;
            if tokens.iter().any(|known| known.secret.expose_secret() == token.secret.expose_secret()) {
                return Err(invalid("is there twice"));
            }
            tokens.push(token);
        }
        Ok(tokens)
    }
}

fn parse(text: &str) -> Result<Token, &'static str> {
    let (role, secret) = match text.split_once(':') {
        None => (Role::Operator, text),
        Some(("operator", secret)) => (Role::Operator, secret),
        Some(("ingest", secret)) => (Role::Ingest, secret),
        Some(("viewer", secret)) => (Role::Viewer, secret),
        // It may as well be a mistyped role, which would silently become an operator's secret.
        Some(_) => return Err("what stands before ':' is none of viewer, ingest, operator"),
    };
    if secret.len() < SHORTEST {
        return Err("the secret has fewer than 8 characters");
    }
    if !secret.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("the secret has a character that is not visible ASCII");
    }
    Ok(Token { role, secret: SecretString::from(secret) })
}

/// The SHA-256 of a secret. All have one length, so a comparison does not tell the length of a secret.
pub(super) type Digest = [u8; 32];

/// The accepted tokens, as digests.
pub(super) struct Digests(Vec<(Digest, Role)>);

impl Digests {
    pub(super) fn of(tokens: &[Token]) -> Self {
        Self(tokens.iter().map(|token| (digest(token.secret.expose_secret()), token.role)).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The digest and role of the accepted token with this secret. Looks at all of them in any case.
    pub(super) fn find(&self, secret: &str) -> Option<(Digest, Role)> {
        let presented = digest(secret);
        let mut found = None;
        for (accepted, role) in &self.0 {
            if bool::from(accepted.ct_eq(&presented)) {
                found = Some((presented, *role));
            }
        }
        found
    }
}

fn digest(secret: &str) -> Digest {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(setting: &str) -> Result<Vec<(Role, String)>, String> {
        let tokens = Token::parse_list(setting).map_err(|error| error.to_string())?;
        Ok(tokens.iter().map(|token| (token.role, token.secret.expose_secret().to_owned())).collect())
    }

    #[test]
    fn tokens_stand_between_commas_or_line_ends_with_an_optional_role() {
        assert_eq!(
            roles("operator:abcdefgh, viewer:ijklmnop\ningest:12345678\n\nplainsecret\n"),
            Ok(vec![
                (Role::Operator, "abcdefgh".into()),
                (Role::Viewer, "ijklmnop".into()),
                (Role::Ingest, "12345678".into()),
                (Role::Operator, "plainsecret".into()),
            ])
        );
        assert_eq!(roles(" \n"), Ok(vec![]));
    }

    #[test]
    fn an_error_names_the_entry_and_never_its_text() {
        for setting in [
            "goodsecret,hunter",
            "goodsecret,oprator:hunter22",
            "goodsecret,hunter 2222",
            "hunter22,hunter22",
        ] {
            let error = roles(setting).unwrap_err();
            assert!(error.starts_with("token 2: "), "{error}");
            assert!(!error.contains("hunter"), "{error}");
        }
    }

    #[test]
    fn a_settings_debug_text_does_not_show_the_secret() {
        let tokens = Token::parse_list("operator:hunter2222").unwrap();
        assert!(!format!("{tokens:?}").contains("hunter2222"));
    }

    #[test]
    fn only_the_whole_secret_is_found() {
        let digests = Digests::of(&Token::parse_list("abcdefgh,viewer:ijklmnop").unwrap());
        assert_eq!(digests.find("ijklmnop").map(|(_, role)| role), Some(Role::Viewer));
        for wrong in ["", "abcdefg", "abcdefghi", "ABCDEFGH"] {
            assert!(digests.find(wrong).is_none());
        }
    }
}
