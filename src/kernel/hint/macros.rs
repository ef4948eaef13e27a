//! How a group of actions is declared.

/// An enum of actions, a part of [`super::Action`]. Tests get every variant of it, with and without what
/// may be missing, so that a door can show that it renders them all.
macro_rules! actions {
    (
        $part:ident:
        $(#[$meta:meta])*
        $name:ident {
            $($(#[$doc:meta])* $variant:ident $(($($field:ty),+))? $({ $($key:ident: $value:ty),+ })?),+ $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        pub enum $name {
            $($(#[$doc])* $variant $(($($field),+))? $({ $($key: $value),+ })?),+
        }

        impl From<$name> for $crate::kernel::hint::Action {
            fn from(action: $name) -> Self {
                Self::$part(action)
            }
        }

        impl From<$name> for $crate::kernel::hint::Hint {
            fn from(action: $name) -> Self {
                Self::new("", action)
            }
        }

        #[cfg(test)]
        impl $name {
            /// Every variant; `whole`: nothing that may be missing is.
            pub(crate) fn samples(whole: bool) -> Vec<$crate::kernel::hint::Action> {
                // Nothing may be missing where no variant has a field.
                let _ = whole;
                let all = vec![$(
                    Self::$variant
                        $(($($crate::kernel::hint::macros::sample::<$field>(whole)),+))?
                        $({ $($key: $crate::kernel::hint::macros::sample::<$value>(whole)),+ })?
                ),+];
                all.into_iter().map(Into::into).collect()
            }
        }
    };
}

pub(super) use actions;

/// A value to try a door with.
#[cfg(test)]
pub(crate) trait Sample {
    fn sample(whole: bool) -> Self;
}

#[cfg(test)]
pub(crate) fn sample<T: Sample>(whole: bool) -> T {
    T::sample(whole)
}

#[cfg(test)]
mod samples {
    use super::Sample;
    use crate::kernel::ids::RunId;
    use crate::kernel::{BatchId, OperationId, TenantId, WebhookId};

    impl Sample for String {
        fn sample(_: bool) -> Self {
            "acme".to_owned()
        }
    }

    impl Sample for bool {
        fn sample(whole: bool) -> Self {
            whole
        }
    }

    impl Sample for u16 {
        fn sample(_: bool) -> Self {
            5432
        }
    }

    impl<T: Sample> Sample for Option<T> {
        fn sample(whole: bool) -> Self {
            whole.then(|| T::sample(whole))
        }
    }

    impl<T: Sample> Sample for Vec<T> {
        fn sample(whole: bool) -> Self {
            vec![T::sample(whole)]
        }
    }

    macro_rules! ids {
        ($($id:ident),+) => { $(impl Sample for $id {
            fn sample(_: bool) -> Self {
                Self::new()
            }
        })+ };
    }

    ids!(BatchId, OperationId, RunId, TenantId, WebhookId);
}
