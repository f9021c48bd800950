//! Stored bytes of gapless.
