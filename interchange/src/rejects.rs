//! Bad lines put aside: verbatim in one file, their reasons in another.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{InterchangeError, Result};

/// The two files of `OnError::Skip`; they are made when the first bad line comes.
pub(crate) struct Rejects {
    lines: PathBuf,
    reasons: PathBuf,
    open: Option<(BufWriter<File>, BufWriter<File>)>,
}

impl Rejects {
    /// # Errors
    /// When one of the files exists: it may hold the bad lines of an earlier import.
    pub(crate) fn new(lines: &Path) -> Result<Self> {
        let mut reasons = lines.as_os_str().to_owned();
        reasons.push(".reasons.csv");
        let reasons = PathBuf::from(reasons);
        for file in [lines, &reasons] {
            if file.symlink_metadata().is_ok() {
                return Err(
                    InterchangeError::invalid("the file for rejected lines exists already")
                        .at_file(file)
                        .with_hint("remove it, or name another"),
                );
            }
        }
        Ok(Rejects {
            lines: lines.to_path_buf(),
            reasons,
            open: None,
        })
    }

    /// Puts one line aside.
    pub(crate) fn add(&mut self, raw: &[u8], error: &InterchangeError) -> Result<()> {
        let failed = |file: &Path| {
            let file = file.to_path_buf();
            move |error: std::io::Error| InterchangeError::io("cannot be written", &error).at_file(&file)
        };
        let (lines, reasons) = match &mut self.open {
            Some(open) => open,
            none => {
                let lines = create(&self.lines).map_err(failed(&self.lines))?;
                let mut reasons = create(&self.reasons).map_err(failed(&self.reasons))?;
                writeln!(reasons, "file,line,column,reason").map_err(failed(&self.reasons))?;
                none.insert((lines, reasons))
            }
        };
        lines.write_all(raw).map_err(failed(&self.lines))?;
        if !raw.ends_with(b"\n") {
            lines.write_all(b"\n").map_err(failed(&self.lines))?;
        }
        let file = error
            .file
            .as_deref()
            .map(|file| file.display().to_string())
            .unwrap_or_default();
        let line = error.line.map(|line| line.to_string()).unwrap_or_default();
        let plain = InterchangeError {
            file: None,
            line: None,
            column: None,
            ..error.clone()
        };
        let fields = [
            file,
            line,
            error.column.as_deref().unwrap_or_default().to_owned(),
            plain.to_string(),
        ];
        let fields: Vec<String> = fields
            .iter()
            .map(|field| format!("\"{}\"", field.replace('"', "\"\"")))
            .collect();
        writeln!(reasons, "{}", fields.join(",")).map_err(failed(&self.reasons))
    }

    /// Writes out what is buffered.
    pub(crate) fn finish(&mut self) -> Result<()> {
        let Some((lines, reasons)) = &mut self.open else {
            return Ok(());
        };
        let flushed = lines.flush().and_then(|()| reasons.flush());
        flushed.map_err(|error| InterchangeError::io("cannot be written", &error).at_file(&self.lines))
    }
}

fn create(file: &Path) -> std::io::Result<BufWriter<File>> {
    Ok(BufWriter::new(
        OpenOptions::new().write(true).create_new(true).open(file)?,
    ))
}
