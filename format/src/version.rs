//! The format version, and the prelude (magic, major, minor) that every versioned structure starts with.
//!
//! The first 12 bytes keep this meaning in every major version, so that any gapless can tell
//! "too new for me" from "damaged".

use crate::bytes::{Reader, Writer};
use crate::error::FormatError;

/// Major version of the stored format. A reader refuses a newer one as unsupported.
pub const FORMAT_MAJOR: u16 = 1;
/// Minor version of the stored format. A newer one only adds what an older reader may ignore.
pub const FORMAT_MINOR: u16 = 0;

pub(crate) fn write_prelude(writer: &mut Writer, magic: &[u8; 8]) {
    writer.raw(magic);
    writer.u16(FORMAT_MAJOR);
    writer.u16(FORMAT_MINOR);
}

/// Reads magic and version; answers (major, minor).
///
/// A file of zeros, or one cut inside the prelude, is damage; a newer major is unsupported.
pub(crate) fn read_prelude(reader: &mut Reader<'_>, magic: &[u8; 8]) -> Result<(u16, u16), FormatError> {
    read_magic(reader, magic)?;
    let offset = reader.offset();
    let major = reader.u16("major version")?;
    let minor = reader.u16("minor version")?;
    if major > FORMAT_MAJOR {
        return Err(FormatError::unsupported(
            offset,
            format!(
                "format version: found {major}.{minor}, this gapless reads up to major {FORMAT_MAJOR}; open it with a newer gapless"
            ),
        ));
    }
    if major == 0 {
        return Err(FormatError::corrupt(
            offset,
            "major version: found 0, expected at least 1",
        ));
    }
    Ok((major, minor))
}

pub(crate) fn read_magic(reader: &mut Reader<'_>, magic: &[u8; 8]) -> Result<(), FormatError> {
    let offset = reader.offset();
    let found = reader.raw(magic.len(), "magic")?;
    if found == magic {
        return Ok(());
    }
    Err(FormatError::corrupt(
        offset,
        format!(
            "magic: found \"{}\", expected \"{}\"",
            found.escape_ascii(),
            magic.escape_ascii()
        ),
    ))
}
