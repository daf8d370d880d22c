//! A PKCS#11 module that was initialised, with a session for each token that was asked for.

use std::collections::HashMap;
use std::path::Path;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::RvError;
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;
use proofs::key::PublicKey;

use super::uri::KeyUri;
use crate::seal;

/// The module, in use.
pub(super) struct Device {
    context: Pkcs11,
    pin: AuthPin,
    sessions: HashMap<String, Session>,
}

/// What went wrong, in words that name no secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("the PIN file: {0}")]
    Pin(std::io::Error),
    #[error("the PKCS#11 module: {0}")]
    Module(#[from] cryptoki::error::Error),
    #[error(
        "the token refused the PIN, and is not asked again: put the right one into pkcs11_pin_file, and start again"
    )]
    PinRefused,
    #[error("no token of this label is there")]
    NoToken,
    #[error("{0} keys of this name are on the token, and not one")]
    Keys(usize),
    #[error("the key on the token is not a usable Ed25519 key")]
    NotEd25519,
    #[error("the signature has {0} bytes, and not 64")]
    Length(usize),
}

impl Device {
    pub(super) fn open(module: &Path, pin_file: &Path) -> Result<Self, Error> {
        let pin = seal::read_private(pin_file).map_err(Error::Pin)?;
        let pin = AuthPin::from(pin.lines().next().unwrap_or_default().to_owned());
        let context = Pkcs11::new(module)?;
        context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
        Ok(Self { context, pin, sessions: HashMap::new() })
    }

    /// Ends all sessions and the module's state with them.
    pub(super) fn close(self) {
        drop(self.sessions);
        if let Err(error) = self.context.finalize() {
            tracing::warn!(%error, "a PKCS#11 module did not end");
        }
    }

    pub(super) fn sign(&mut self, key: &KeyUri, message: &[u8]) -> Result<[u8; 64], Error> {
        let session = self.session(key)?;
        let private = one(session, key, ObjectClass::PRIVATE_KEY)?;
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = session.sign(&mechanism, private, message)?;
        <[u8; 64]>::try_from(signature).map_err(|signature| Error::Length(signature.len()))
    }

    pub(super) fn public(&mut self, key: &KeyUri) -> Result<PublicKey, Error> {
        let session = self.session(key)?;
        let public = one(session, key, ObjectClass::PUBLIC_KEY)?;
        let attributes = session.get_attributes(public, &[AttributeType::EcPoint])?;
        let point = attributes.into_iter().find_map(|attribute| match attribute {
            Attribute::EcPoint(point) => Some(point),
            _ => None,
        });
        // 32 bytes by PKCS#11 3.1; modules of version 2.40 put them into a DER octet string.
        let point = point.ok_or(Error::NotEd25519)?;
        let bytes = point.strip_prefix(&[0x04, 0x20]).filter(|bytes| bytes.len() == 32).unwrap_or(&point);
        let bytes = bytes.try_into().map_err(|_| Error::NotEd25519)?;
        PublicKey::from_bytes(bytes).map_err(|_| Error::NotEd25519)
    }

    /// A session with the key's token, logged in.
    fn session(&mut self, key: &KeyUri) -> Result<&Session, Error> {
        if !self.sessions.contains_key(&key.token) {
            let mut found = None;
            for slot in self.context.get_slots_with_token()? {
                if self.context.get_token_info(slot)?.label() == key.token {
                    found = Some(slot);
                }
            }
            let session = self.context.open_ro_session(found.ok_or(Error::NoToken)?)?;
            match session.login(UserType::User, Some(&self.pin)) {
                Ok(()) | Err(cryptoki::error::Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => {}
                Err(cryptoki::error::Error::Pkcs11(
                    RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange | RvError::PinLocked,
                    _,
                )) => return Err(Error::PinRefused),
                Err(error) => return Err(error.into()),
            }
            self.sessions.insert(key.token.clone(), session);
        }
        self.sessions.get(&key.token).ok_or(Error::NoToken)
    }
}

fn one(session: &Session, key: &KeyUri, class: ObjectClass) -> Result<ObjectHandle, Error> {
    let template: Vec<Attribute> = key.attributes().chain([Attribute::Class(class)]).collect();
    match session.find_objects(&template)?.as_slice() {
        [only] => Ok(*only),
        found => Err(Error::Keys(found.len())),
    }
}
