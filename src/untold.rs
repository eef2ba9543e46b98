//! `Debug` of what holds a caller's bytes or a patient's data: the name of the type, and nothing of what is in it.

/// Gives types a `Debug` that is only their name.
macro_rules! untold {
    ($($name:ident $(<$($parameter:tt),+>)?),+ $(,)?) => {$(
        impl std::fmt::Debug for $name $(<$($parameter),+>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
