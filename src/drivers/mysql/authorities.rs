//! The mysql driver trusts Mozilla's authorities in addition to those it is given, and cannot be told not to. With `verify-ca`,
//! anybody who has a certificate for any host of the internet could then pose as a server whose authority is a private one.
//!
//! This module excludes Mozilla's authorities again. rustls asks its cryptography provider, which the driver takes from the
//! process-wide default, to verify each signature of a chain. Our provider says of a key of Mozilla's that was not asked for that
//! its signature is invalid.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::OnceLock;

use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};
use rustls::{RootCertStore, SignatureScheme};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

thread_local! {
    /// Set while this thread opens a connection that trusts named authorities only.
    static CONNECTING: RefCell<Option<Connecting>> = const { RefCell::new(None) };
}

struct Connecting {
    barred: Vec<&'static [u8]>,
    asked: bool,
}

impl Connecting {
    /// `barred` holds what a certificate says of its key: first the algorithm, and at the end the key itself.
    fn bars(&self, key: &[u8]) -> bool {
        self.barred.iter().any(|barred| barred.ends_with(key))
    }
}

/// Restores the previous value, even if the driver panics.
struct Restore(Option<Connecting>);

impl Drop for Restore {
    fn drop(&mut self) {
        CONNECTING.set(self.0.take());
    }
}

/// Runs `open` so that it trusts no authorities but `trusted`.
pub(super) fn trusting_only<T>(trusted: &RootCertStore, open: impl FnOnce() -> T) -> T {
    let keys = trusted
        .roots
        .iter()
        .map(|root| &*root.subject_public_key_info);
    without(barred_beside(&keys.collect()), open).0
}

/// Runs `open` without the authorities that have these keys. The second value tells whether rustls asked our provider to verify
/// any signature at all.
fn without<T>(barred: Vec<&'static [u8]>, open: impl FnOnce() -> T) -> (T, bool) {
    let asked = false;
    let _restore = Restore(CONNECTING.replace(Some(Connecting { barred, asked })));
    let opened = open();
    let asked = CONNECTING.with_borrow(|connecting| connecting.as_ref().is_some_and(|it| it.asked));
    (opened, asked)
}

/// Mozilla's keys, except for those that are wanted.
fn barred_beside(wanted: &HashSet<&[u8]>) -> Vec<&'static [u8]> {
    webpki_roots::TLS_SERVER_ROOTS
        .iter()
        .map(|root| &*root.subject_public_key_info)
        .filter(|key| !wanted.contains(key))
        .collect()
}

/// Whether the default provider of the process is a guarded one. It is not if the application has installed its own.
pub(super) fn are_kept_out() -> bool {
    let Some(provider) = CryptoProvider::get_default() else {
        return false;
    };
    let algorithms = provider.signature_verification_algorithms.all;
    let ask = || {
        algorithms
            .first()
            .map(|algorithm| algorithm.verify_signature(&[], &[], &[]))
    };
    without(Vec::new(), ask).1
}

/// A rustls provider that verifies signatures with `provider`, and makes a pool's mysql connections trust the authorities that
/// they are told to trust and no others.
///
/// The first encrypted connection installs a guarded ring as the default of the process, unless the process has a default by
/// then. An application that installs a provider of its own, such as aws-lc, wraps it in this one:
///
/// ```no_run
/// # fn aws_lc() -> rustls::crypto::CryptoProvider { rustls::crypto::ring::default_provider() }
/// queuepool::mysql::guarded_provider(aws_lc())
///     .install_default()
///     .expect("nobody has installed another");
/// ```
///
/// Otherwise a pool that names its authorities cannot connect, which is an error of kind Connect, and a pool that trusts the
/// operating system's authorities trusts Mozilla's too.
#[must_use]
pub fn guarded_provider(mut provider: CryptoProvider) -> CryptoProvider {
    let algorithms = provider.signature_verification_algorithms;
    let guarded = |all: &[Algorithm]| -> &'static [Algorithm] {
        all.iter()
            .map(|algorithm| leaked(Guarded(*algorithm)) as Algorithm)
            .collect::<Vec<_>>()
            .leak()
    };
    let mapping: Vec<(SignatureScheme, &'static [Algorithm])> = algorithms
        .mapping
        .iter()
        .map(|(scheme, all)| (*scheme, guarded(all)))
        .collect();
    provider.signature_verification_algorithms = WebPkiSupportedAlgorithms {
        all: guarded(algorithms.all),
        mapping: mapping.leak(),
    };
    provider
}

/// rustls wants a provider's algorithms to live for ever. A process installs one provider, so this happens once.
fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// Installs the default provider of the process, if there is none yet. Otherwise the driver would choose one itself, and panic if
/// the build has two to choose from.
pub(super) fn install() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        if CryptoProvider::get_default().is_none() {
            // This fails if somebody else was faster. Then theirs is the default.
            let _ = guarded_provider(rustls::crypto::ring::default_provider()).install_default();
        }
    });
}

#[derive(Debug)]
struct Guarded(Algorithm);

impl SignatureVerificationAlgorithm for Guarded {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        // Others use the default of the process too, and may do so while their thread ends, when the thread-local is gone.
        let barred = CONNECTING.try_with(|connecting| match &mut *connecting.borrow_mut() {
            Some(connecting) => {
                connecting.asked = true;
                connecting.bars(public_key)
            }
            None => false,
        });
        match barred.unwrap_or(false) {
            true => Err(InvalidSignature),
            false => self.0.verify_signature(public_key, message, signature),
        }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.0.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.0.signature_alg_id()
    }

    fn fips(&self) -> bool {
        self.0.fips()
    }
}

#[cfg(test)]
mod tests;
