"""What an analyst asks of an export, asked of DuckDB and of pandas; prints both answers as JSON.

read.py DIR MILLIS: the entries, and the status of each record as of that moment of effect, by all that is known.
"""

import json
import sys

import duckdb
import pandas
import pyarrow.parquet

COLUMNS = ["index", "position", "record", "version", "type", "issuer", "kid", "leaf_hash", "body_is", "body"]


def by_duckdb(directory, moment):
    db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    entries = db.execute(
        f"SELECT register, {names}, epoch_ms(effective_at), epoch_ms(recorded_at) FROM read_parquet(?) ORDER BY index",
        [f"{directory}/entries.parquet"],
    )
    entries = [list(row) for row in entries.fetchall()]
    then = db.execute(
        """SELECT record, status FROM read_parquet(?)
           WHERE recorded_until IS NULL AND epoch_ms(effective_from) <= ?
             AND (effective_until IS NULL OR epoch_ms(effective_until) > ?)""",
        [f"{directory}/statuses.parquet", moment, moment],
    )
    return {"entries": entries, "then": sorted(list(row) for row in then.fetchall())}


def by_pandas(directory, moment):
    entries = pandas.read_parquet(f"{directory}/entries.parquet")
    for name in ["effective_at", "recorded_at"]:
        assert str(entries[name].dtype) == "datetime64[ms, UTC]", entries[name].dtype
        entries[name] = entries[name].astype("int64")
    entries = entries[["register", *COLUMNS, "effective_at", "recorded_at"]].sort_values("index")
    statuses = pandas.read_parquet(f"{directory}/statuses.parquet")
    moment = pandas.Timestamp(moment, unit="ms", tz="UTC")
    then = statuses[
        statuses.recorded_until.isna()
        & (statuses.effective_from <= moment)
        & (statuses.effective_until.isna() | (statuses.effective_until > moment))
    ]
    rows = entries.astype(object).where(entries.notna(), None).values.tolist()
    return {"entries": rows, "then": sorted(then[["record", "status"]].values.tolist())}


def said(path):
    file = pyarrow.parquet.ParquetFile(path)
    words = {key.decode(): value.decode() for key, value in file.metadata.metadata.items()}
    dictionary = [
        column.path_in_schema
        for column in map(file.metadata.row_group(0).column, range(file.metadata.num_columns))
        if "RLE_DICTIONARY" in column.encodings
    ] if file.metadata.num_row_groups else []
    return {"words": words, "dictionary": dictionary, "rows": file.metadata.num_rows}


def main(directory, moment):
    answers = {
        "duckdb": by_duckdb(directory, int(moment)),
        "pandas": by_pandas(directory, int(moment)),
        "files": {name: said(f"{directory}/{name}.parquet") for name in ["entries", "statuses"]},
    }
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
