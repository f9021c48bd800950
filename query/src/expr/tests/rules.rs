//! Rules of types, errors, symbols and names.
