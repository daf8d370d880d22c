//! Keys that never leave a device: signing through its PKCS#11 module.
//!
//! One module a process, and one thread in it at a time: a register's checkpoints are signed one after the other anyway. Whatever
//! fails, the session, its login and the module's state are thrown away, and the next signature begins anew: a device that was
//! unplugged or restarted is found again without a restart of ours.

mod device;
mod uri;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use eventstore::KeyHolder;
use proofs::key::PublicKey;
use proofs::signer::{SignError, Signer};

use device::Device;
pub use uri::KeyUri;

/// Where the module is, and how to log in.
pub struct Devices(Arc<Shared>);

struct Shared {
    module: PathBuf,
    pin_file: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// While the module is initialised.
    device: Option<Device>,
    /// A token that is given a wrong PIN a few times locks itself: it is given one once.
    refused: bool,
}

impl Devices {
    /// Nothing is loaded before the first signature.
    pub fn new(module: PathBuf, pin_file: PathBuf) -> Self {
        Self(Arc::new(Shared { module, pin_file, state: Mutex::default() }))
    }

    /// The public half of a key, as the device says it.
    pub fn public(&self, key: &KeyUri) -> Result<PublicKey, SignError> {
        self.0.with(key, |device| device.public(key))
    }
}

impl KeyHolder for Devices {
    fn signer(&self, reference: &str, public: PublicKey) -> Result<Arc<dyn Signer>, SignError> {
        let key = KeyUri::parse(reference).map_err(SignError::new)?;
        Ok(Arc::new(DeviceKey { shared: self.0.clone(), key, public }))
    }
}

impl Shared {
    /// Asks the device; once more, from the beginning, when what was open before does not answer any more.
    fn with<T>(
        &self,
        key: &KeyUri,
        ask: impl Fn(&mut Device) -> Result<T, device::Error>,
    ) -> Result<T, SignError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |error: device::Error| SignError::new(format_args!("{key}: {error}"));
        if let Some(device) = state.device.as_mut() {
            match ask(device) {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    tracing::warn!(%key, %error, "a device does not answer as before; asking it from the beginning");
                    state.refused |= matches!(error, device::Error::PinRefused);
                }
            }
        }
        if let Some(device) = state.device.take() {
            device.close();
        }
        if state.refused {
            return Err(refused(device::Error::PinRefused));
        }
        let mut device = Device::open(&self.module, &self.pin_file).map_err(refused)?;
        match ask(&mut device) {
            Ok(answer) => {
                state.device = Some(device);
                Ok(answer)
            }
            Err(error) => {
                device.close();
                state.refused = matches!(error, device::Error::PinRefused);
                Err(refused(error))
            }
        }
    }
}

/// A key on a device.
struct DeviceKey {
    shared: Arc<Shared>,
    key: KeyUri,
    public: PublicKey,
}

impl Signer for DeviceKey {
    fn public(&self) -> PublicKey {
        self.public
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.shared.with(&self.key, |device| device.sign(&self.key, message))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.key)
    }
}
