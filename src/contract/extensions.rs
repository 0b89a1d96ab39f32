//! What users keep with a connection.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::fmt;

use crate::base::panics::let_go;

type Kept = Box<dyn Any + Send + Sync>;

/// What users keep with a connection, one value of each type: [`Connection::extensions`](crate::Connection::extensions).
///
/// A value that panics when the pool drops it takes nothing else with it. Like other drops of users' values, such a drop must not
/// wait for the pool.
#[derive(Default)]
pub struct Extensions(HashMap<TypeId, Kept>);

impl Extensions {
    /// Keeps this value, and returns the one of the same type that was kept before.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) -> Option<T> {
        owned(self.0.insert(TypeId::of::<T>(), Box::new(value)))
    }

    /// The value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// The value of this type, to change it.
    #[must_use]
    pub fn get_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.0.get_mut(&TypeId::of::<T>())?.downcast_mut()
    }

    /// The value of this type, made now if there is none yet.
    pub fn get_or_insert_with<T: Send + Sync + 'static>(
        &mut self,
        make: impl FnOnce() -> T,
    ) -> &mut T {
        let kept = self
            .0
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::new(make()));
        kept.downcast_mut()
            .expect("bug: a value is kept under another type")
    }

    /// Takes the value of this type out.
    pub fn remove<T: Send + Sync + 'static>(&mut self) -> Option<T> {
        owned(self.0.remove(&TypeId::of::<T>()))
    }

    /// Drops all values.
    pub fn clear(&mut self) {
        self.0.drain().for_each(|(_, value)| let_go(value));
    }
}

fn owned<T: 'static>(kept: Option<Kept>) -> Option<T> {
    let kept: Box<dyn Any> = kept?;
    kept.downcast().ok().map(|value| *value)
}

impl Drop for Extensions {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions")
            .field("len", &self.0.len())
            .finish_non_exhaustive()
    }
}
