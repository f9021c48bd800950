//! `--symbols`: domains, their frames, and the symbols with their codes.

use gapless_format::symbols::CHAIN_START;
use gapless_format::{SymbolFileHeader, decode_frame};

use super::disk::Disk;
use super::section::{Section, hex64};
use super::state::State;

/// Symbols by code, as far as a file can be read.
pub(super) struct Symbols {
    pub(super) texts: Vec<String>,
    frames: Vec<(u64, u32, u32, u64)>,
    pub(super) error: Option<String>,
}

/// Reads a symbol file.
pub(super) fn parse(bytes: &[u8]) -> Symbols {
    let mut symbols = Symbols {
        texts: Vec::new(),
        frames: Vec::new(),
        error: None,
    };
    let mut at = match SymbolFileHeader::decode(bytes) {
        Ok((_, len)) => len,
        Err(error) => {
            symbols.error = Some(error.to_string());
            return symbols;
        }
    };
    let mut chain = CHAIN_START;
    while at < bytes.len() {
        let code = u32::try_from(symbols.texts.len()).unwrap_or(u32::MAX);
        match decode_frame(bytes.get(at..).unwrap_or_default(), code, chain, at as u64) {
            Ok(frame) => {
                symbols.texts.extend(frame.symbols().map(str::to_owned));
                symbols
                    .frames
                    .push((at as u64, frame.first_code, frame.count, frame.chain));
                chain = frame.chain;
                at += frame.len;
            }
            Err(error) => {
                symbols.error = Some(error.to_string());
                break;
            }
        }
    }
    symbols
}

/// The symbol domains of a database: all, or the symbols of one.
pub(crate) fn domains(disk: &Disk, domain: Option<&str>, rows: usize) -> Section {
    let manifest = super::state::load(disk);
    let mut section = Section::new("symbols");
    for error in &manifest.errors {
        section.error(error);
    }
    let entries = match disk.list("symbols") {
        Ok(entries) => entries,
        Err(error) => {
            section.error(error);
            return section;
        }
    };
    let wanted = domain.and_then(|name| gapless_format::file_name(name).ok());
    let mut found = false;
    for (name, kind, _) in entries {
        let Some(stem) = name.strip_suffix(".sym").filter(|_| kind == Some(false)) else {
            continue;
        };
        if domain.is_some() && wanted.as_deref() != Some(stem) {
            continue;
        }
        found = true;
        let path = format!("symbols/{name}");
        match disk.read(&path) {
            Ok(bytes) => section.push(file(
                &path,
                &bytes,
                manifest.state.as_ref(),
                domain.map(|_| rows).unwrap_or(0),
            )),
            Err(error) => section.error(error),
        }
    }
    if let (Some(domain), false) = (domain, found) {
        section.set_miss(format!("there is no symbol domain {domain:?}"));
    }
    section
}

/// One symbol file; `rows` symbols of it, or its frames if that is 0.
pub(super) fn file(path: &str, bytes: &[u8], state: Option<&State>, rows: usize) -> Section {
    let mut section = Section::new(path.to_owned());
    section.field("bytes", bytes.len());
    let parsed = parse(bytes);
    if let Ok((header, len)) = SymbolFileHeader::decode(bytes) {
        section.field("domain", header.domain.clone());
        section.field("database_id", format!("{:032x}", header.database));
        section.field("header_bytes", len);
        if let Some(meta) = state.and_then(|state| state.domains.get(&header.domain)) {
            section.field("committed_symbols", meta.symbols);
            section.field("committed_bytes", meta.committed_len);
            if (parsed.texts.len() as u64) < u64::from(meta.symbols) {
                section.error(format!(
                    "{} symbols can be read, {} are committed",
                    parsed.texts.len(),
                    meta.symbols
                ));
            }
        }
    }
    section.field("symbols", parsed.texts.len());
    if let Some(error) = parsed.error {
        section.error(error);
    }
    if rows == 0 {
        section.columns(["offset", "first_code", "symbols", "chain"]);
        for (offset, first, count, chain) in parsed.frames {
            section.row([offset.into(), first.into(), count.into(), hex64(chain)]);
        }
    } else {
        section.columns(["code", "symbol"]);
        for (code, text) in parsed.texts.into_iter().enumerate().take(rows) {
            section.row([code.into(), text.into()]);
        }
    }
    section
}
