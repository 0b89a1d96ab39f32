//! What an error says of the connection it occurred on, and of those opened before it.
//!
//! A lost connection may say something about the others. If the server is known to have gone, the pool's generation is raised, and
//! all connections opened before are replaced without a ping. If that is unclear, the pool's count of doubts is raised: every
//! connection that has not answered since then is due for a ping, however recently it was used. A ping that finds an idle
//! connection lost raises the generation even if the cause is unclear, because nobody was using that connection. A connection never
//! raises the generation for connections newer than itself.

use std::error::Error as StdError;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::log::say;
use crate::base::panics::{Panic, catch, let_go};
use crate::contract::connection_info::{CloseReason, ConnectionInfo};
use crate::contract::driver::Manager;
use crate::contract::error_class::{ErrorClass, Extent};
use crate::error::NOT_SHOWN;
use crate::gate::lease::{Lease, Live};
use crate::gate::verdict::Verdict;
use crate::lifecycle::shared::Shared;

/// What is wrong with a connection after a call on it that failed.
pub(crate) struct Fault {
    pub(crate) verdict: Verdict,
    pub(crate) words: String,
    /// The driver's own error, if it returned one.
    pub(crate) source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl Fault {
    /// The reason to close it for: `Lost` if it is lost, else `otherwise`.
    pub(crate) fn close_reason(&self, otherwise: CloseReason) -> CloseReason {
        match self.verdict.is_lost() {
            true => CloseReason::Lost,
            false => otherwise,
        }
    }
}

impl Drop for Fault {
    /// The drop of a driver's error may panic, and its connection is still to be closed.
    fn drop(&mut self) {
        let_go(self.source.take());
    }
}

impl<M: Manager> Shared<M> {
    /// What a driver's error means, and its text. Both are other people's code and may panic.
    pub(crate) fn describe(&self, error: &M::Error) -> (ErrorClass, String) {
        let class = catch(|| self.driver.classify(error));
        let text = catch(|| {
            let described = self.driver.describe(error);
            described.unwrap_or_else(|| crate::error::chain(error))
        });
        (
            class.unwrap_or(ErrorClass::Permanent),
            self.mask(text.unwrap_or_else(|said| format!("an error that panics: {said}"))),
        )
    }

    /// What somebody else says, without the pool's own password, which a server or a proxy may send back. If the driver panics over
    /// it, nobody knows what is in it.
    pub(crate) fn mask(&self, text: String) -> String {
        match catch(|| self.driver.mask(&self.manager, &text)) {
            Ok(masked) => masked.unwrap_or(text),
            Err(_) => NOT_SHOWN.to_owned(),
        }
    }

    /// What an error on an open connection means: the error hooks are heard before the driver. A driver that panics when
    /// asked cannot say that the connection is sound.
    pub(crate) fn judge(
        &self,
        error: &(dyn StdError + 'static),
        info: &ConnectionInfo,
    ) -> (ErrorClass, Verdict) {
        let own = own_error::<M>(error);
        let by_driver = || {
            let class = catch(|| match own {
                Some(own) => self.driver.classify(own),
                None => self
                    .driver
                    .classify_other(error)
                    .unwrap_or(ErrorClass::Statement),
            });
            class.unwrap_or(ErrorClass::Owed)
        };
        let by_hook = self.class_by_hook(error, info);
        let class = by_hook.unwrap_or_else(by_driver);
        let extent = || {
            if by_hook.is_some() && by_driver() != ErrorClass::Lost {
                return Extent::Server;
            }
            let extent = catch(|| match own {
                Some(own) => self.driver.extent(own),
                None => self.driver.extent_other(error),
            });
            extent.unwrap_or(Extent::Unclear)
        };
        (class, Verdict::of(class, extent))
    }

    /// What the error hooks say: the first that has an opinion.
    fn class_by_hook(
        &self,
        error: &(dyn StdError + 'static),
        info: &ConnectionInfo,
    ) -> Option<ErrorClass> {
        if !self.hooks.has_error {
            return None;
        }
        let mut class = None;
        // A panic is counted and logged, and says nothing.
        let _ = self.run_hook("error", |hooks| {
            class = hooks.error.iter().find_map(|hook| hook(error, info));
            Ok(())
        });
        class
    }

    /// Notes an error of a checked-out connection; what follows from it, follows at the return.
    pub(crate) fn note_error(
        &self,
        live: &mut Live<M>,
        error: &(dyn StdError + 'static),
    ) -> ErrorClass {
        let (class, verdict) = self.judge(error, &live.info);
        live.verdict = live.verdict.max(verdict);
        class
    }

    /// Why a connection is closed after a call that failed: with an error, or by a panic of the driver.
    pub(crate) fn fault(&self, lease: &Lease<M>, failed: Result<M::Error, Panic>) -> Fault {
        match failed {
            Ok(error) => {
                let (_, verdict) = self.judge(&error, &lease.live().info);
                let words = self.describe(&error).1;
                Fault {
                    verdict,
                    words,
                    source: Some(Arc::new(error)),
                }
            }
            Err(panic) => Fault {
                verdict: Verdict::Sound,
                words: self.mask(format!("the driver panicked: {}", panic.words())),
                source: None,
            },
        }
    }

    /// Lets a connection that is closed for this verdict speak for those opened before it.
    #[inline]
    pub(crate) fn speak_for_others(self: &Arc<Self>, live: &Live<M>, verdict: Verdict) {
        match verdict {
            Verdict::Sound | Verdict::Unsuited | Verdict::Owed | Verdict::Ended => {}
            Verdict::Suspect => self.doubt_older(live.generation),
            Verdict::Gone => self.replace_older(live.generation, "was found lost"),
        }
    }

    /// One connection of this generation was found lost, and the server with it, or on a server that it should not be on: all
    /// others of it are replaced before their next use. Many that fail together replace once.
    pub(crate) fn replace_older(self: &Arc<Self>, generation: u64, why: &str) {
        let next = self.generation.compare_exchange(
            generation,
            generation + 1,
            Ordering::AcqRel,
            Ordering::Acquire,
        );
        if next.is_ok() {
            say!(
                Info,
                self.target(),
                "a connection {why}: all opened before are replaced"
            );
            self.close_idle_of_older_generations();
        }
    }

    /// One connection of this generation is lost, and perhaps the others are: they are pinged before their next use.
    fn doubt_older(&self, generation: u64) {
        if self.generation.load(Ordering::Acquire) == generation {
            self.doubts.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether it has not answered since another was lost.
    #[inline]
    pub(crate) fn is_doubted(&self, live: &Live<M>) -> bool {
        live.doubts != self.doubts.load(Ordering::Acquire)
    }

    /// Whether the ping failed because the validation_query itself is wrong.
    pub(crate) fn refuses_query(&self, error: &M::Error) -> bool {
        self.settings.validation_query.is_some()
            && catch(|| self.driver.refuses_query(error)).unwrap_or(false)
    }
}

/// The manager's own error, in this one or beneath it.
fn own_error<'e, M: Manager>(error: &'e (dyn StdError + 'static)) -> Option<&'e M::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(own) = error.downcast_ref() {
            return Some(own);
        }
        next = catch(|| error.source()).ok().flatten();
    }
    None
}
