//! One Parquet file, written row by row. Rows are gathered by column and written as row groups of bounded size.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesPtr};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnPath, Type, TypePtr};
use proofs::time::Timestamp;

use crate::failure::Failure;

/// Rows of a row group at most. Readers take a row group at a time, and 64 Ki rows without bodies are a few megabytes.
const GROUP_ROWS_MAX: usize = 65_536;
/// Bytes of text after which a row group ends: with bodies it is they that fill memory.
const GROUP_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A column.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// May it hold nothing?
    pub optional: bool,
}

/// What a column holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of few different values: names and words.
    Word,
    /// Any other text.
    Text,
    /// A count or a place.
    Number,
    /// A moment, in milliseconds of UTC.
    Time,
}

impl Column {
    /// A column that holds something in every row.
    pub const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    /// A column that may hold nothing.
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: true }
    }

    fn schema(&self) -> Result<TypePtr, ParquetError> {
        let (physical, logical) = match self.kind {
            Kind::Word | Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Number => (Physical::INT64, None),
            Kind::Time => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        };
        let repetition = if self.optional { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let column = Type::primitive_type_builder(self.name, physical);
        column.with_logical_type(logical).with_repetition(repetition).build().map(Arc::new)
    }
}

/// What stands in one column of one row.
pub enum Cell<'a> {
    /// Text.
    Text(&'a str),
    /// A count or a place.
    Number(u64),
    /// A moment.
    Time(Timestamp),
    /// Nothing.
    Nothing,
}

impl Cell<'_> {
    /// A moment, or nothing.
    pub fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Nothing, Self::Time)
    }
}

/// The rows of one column that were not written yet.
#[derive(Default)]
struct Gathered {
    texts: Vec<ByteArray>,
    numbers: Vec<i64>,
    /// 1 where something stands, 0 where nothing does.
    defined: Vec<i16>,
}

/// A file under way. It gets its name when it is whole.
pub struct File {
    path: PathBuf,
    columns: &'static [Column],
    writer: SerializedFileWriter<fs::File>,
    gathered: Vec<Gathered>,
    gathered_rows: usize,
    gathered_bytes: usize,
    rows: u64,
}

impl File {
    /// Begins a file, with what its metadata say.
    pub fn create(
        path: &Path,
        name: &str,
        columns: &'static [Column],
        said: &[(&str, String)],
    ) -> Result<Self, Failure> {
        let schema = columns.iter().map(Column::schema).collect::<Result<Vec<_>, _>>();
        let schema = schema.and_then(|fields| Type::group_type_builder(name).with_fields(fields).build());
        let schema = schema.map_err(|error| Failure::because("the columns of the file", &error))?;
        let mut options = fs::OpenOptions::new();
        // Open to its owner alone: there may be bodies in it.
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(partial(path));
        let file = file
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", partial(path).display())))?;
        let writer = SerializedFileWriter::new(file, Arc::new(schema), properties(columns, said));
        Ok(Self {
            writer: writer.map_err(|error| unwritable(path, &error))?,
            path: path.to_owned(),
            columns,
            gathered: columns.iter().map(|_| Gathered::default()).collect(),
            gathered_rows: 0,
            gathered_bytes: 0,
            rows: 0,
        })
    }

    /// Adds a row: a cell for each column, in their order.
    pub fn row(&mut self, cells: &[Cell<'_>]) -> Result<(), Failure> {
        for (gathered, cell) in self.gathered.iter_mut().zip(cells) {
            gathered.defined.push(i16::from(!matches!(cell, Cell::Nothing)));
            match cell {
                Cell::Text(text) => {
                    gathered.texts.push(ByteArray::from(*text));
                    self.gathered_bytes += text.len();
                }
                // No index or position is beyond what JSON can say, which an i64 holds.
                Cell::Number(number) => gathered.numbers.push(i64::try_from(*number).unwrap_or(i64::MAX)),
                Cell::Time(time) => gathered.numbers.push(time.millis()),
                Cell::Nothing => {}
            }
        }
        self.rows += 1;
        self.gathered_rows += 1;
        if self.gathered_rows >= GROUP_ROWS_MAX || self.gathered_bytes >= GROUP_BYTES_MAX {
            self.group().map_err(|error| unwritable(&self.path, &error))?;
        }
        Ok(())
    }

    /// Writes what was gathered as one row group.
    fn group(&mut self) -> Result<(), ParquetError> {
        if self.gathered_rows == 0 {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for (column, gathered) in self.columns.iter().zip(&mut self.gathered) {
            let Some(mut writer) = group.next_column()? else { break };
            let defined = column.optional.then_some(gathered.defined.as_slice());
            match column.kind {
                Kind::Word | Kind::Text => {
                    writer.typed::<ByteArrayType>().write_batch(&gathered.texts, defined, None)?
                }
                Kind::Number | Kind::Time => {
                    writer.typed::<Int64Type>().write_batch(&gathered.numbers, defined, None)?
                }
            };
            writer.close()?;
            *gathered = Gathered::default();
        }
        group.close()?;
        (self.gathered_rows, self.gathered_bytes) = (0, 0);
        Ok(())
    }

    /// Ends the file and names it; answers with its rows.
    pub fn finish(mut self) -> Result<u64, Failure> {
        let path = self.path.clone();
        let ended = self.group().and_then(|()| self.writer.finish());
        ended.map_err(|error| unwritable(&path, &error))?;
        let kept = self.writer.inner().sync_all().and_then(|()| fs::rename(partial(&path), &path));
        kept.map_err(|error| unwritable(&path, &error))?;
        Ok(self.rows)
    }
}

/// Where a file is while it is not whole.
fn partial(path: &Path) -> PathBuf {
    path.with_extension("parquet.part")
}

fn unwritable(path: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::because(&format!("{} could not be written", path.display()), error)
}

fn properties(columns: &[Column], said: &[(&str, String)]) -> WriterPropertiesPtr {
    let said = said.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_created_by(concat!("reestr ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(said));
    for column in columns {
        // A dictionary of what hardly ever comes twice would be the column over again.
        let path = ColumnPath::from(column.name);
        properties = properties.set_column_dictionary_enabled(path, column.kind == Kind::Word);
    }
    Arc::new(properties.build())
}
