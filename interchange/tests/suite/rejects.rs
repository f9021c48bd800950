//! `OnError::Skip`: bad lines are kept verbatim with their reasons, good ones are all read.

use gapless_interchange::{OnError, ReadOptions, Source, plan};

use crate::support::{Files, read, rows, texts};

#[test]
fn bad_lines_go_aside_verbatim_with_their_reasons() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        "ts_ms,sym,n\r\n1514764802610,A,1\r\nx,A,1\r\n1514764802611,A,\"1\n1514764802612,A,2\r\n1514764802613,A\r\n\
         1514764802614,A,\"1\"x\r\n1514764802615,B,3",
    );
    let rejects = files.path("rejects.csv");
    let types = vec![
        ("n".into(), "i64".parse().unwrap()),
        ("ts_ms".into(), "timestamp(ms)".parse().unwrap()),
    ];
    let options = ReadOptions {
        on_error: OnError::Skip {
            rejects: rejects.clone(),
        },
        time: Some("ts_ms".into()),
        types,
        ..Default::default()
    };
    let plan = plan(&[path], &options).unwrap();
    let mut source = Source::open(&plan, &options).unwrap();
    let batches: Vec<_> = source.by_ref().collect::<Result<_, _>>().unwrap();
    assert_eq!(texts(&batches, "n"), ["1", "2", "3"]);
    assert_eq!(texts(&batches, "sym"), ["A", "A", "B"]);
    assert_eq!(source.rows_rejected(), 4);
    let kept = std::fs::read_to_string(&rejects).unwrap();
    assert_eq!(
        kept,
        "x,A,1\r\n1514764802611,A,\"1\n1514764802613,A\r\n1514764802614,A,\"1\"x\r\n"
    );
    let reasons = std::fs::read_to_string(files.path("rejects.csv.reasons.csv")).unwrap();
    let lines: Vec<&str> = reasons.lines().collect();
    assert_eq!(lines.len(), 5, "{reasons}");
    assert_eq!(lines[0], "file,line,column,reason");
    assert!(
        lines[1].contains("a.csv\",\"3\",\"ts_ms\",\"\"\"x\"\" is not a time"),
        "{reasons}"
    );
    assert!(
        lines[2].contains("\"4\"") && lines[2].contains("text follows a closing quote"),
        "{reasons}"
    );
    assert!(
        lines[3].contains("\"6\"") && lines[4].contains("\"7\""),
        "{reasons}"
    );
}

#[test]
fn a_line_of_many_json_rows_is_taken_or_put_aside_whole() {
    let files = Files::new();
    let path = files.add(
        "a.jsonl",
        "[[1514764802610,1],[1514764802611,2]]\n[[1514764802612,3],[1514764802613,\"x\"]]\n{nonsense\n[[1514764802614,5]]\n",
    );
    let options = ReadOptions {
        on_error: OnError::Skip {
            rejects: files.path("bad"),
        },
        column_names: Some(vec!["ts_ms".into(), "n".into()]),
        types: vec![("n".into(), "i64".parse().unwrap())],
        ..Default::default()
    };
    let (_, batches) = read(&[path], &options).unwrap();
    assert_eq!(texts(&batches, "n"), ["1", "2", "5"]);
    let kept = std::fs::read_to_string(files.path("bad")).unwrap();
    assert_eq!(kept, "[[1514764802612,3],[1514764802613,\"x\"]]\n{nonsense\n");
}

#[test]
fn an_existing_rejects_file_is_never_overwritten_and_none_is_made_without_need() {
    let files = Files::new();
    let path = files.add("a.csv", "ts_ms,n\n1514764802610,1\n");
    let options = ReadOptions {
        on_error: OnError::Skip {
            rejects: files.path("bad"),
        },
        ..Default::default()
    };
    assert_eq!(rows(&read(&[&path], &options).unwrap().1), 1);
    assert_eq!(files.names(), ["a.csv"]);
    files.add("bad", "precious");
    assert!(
        read(&[&path], &options)
            .unwrap_err()
            .to_string()
            .contains("exists already")
    );
    assert_eq!(std::fs::read_to_string(files.path("bad")).unwrap(), "precious");
}

#[test]
fn without_skip_the_first_bad_line_is_the_end() {
    let files = Files::new();
    let path = files.add(
        "a.csv",
        format!("ts_ms,n\n{}x,1\ny,1\n", "1514764802610,1\n".repeat(10)),
    );
    let options = ReadOptions {
        batch_rows: 4,
        sample_rows: 10,
        ..Default::default()
    };
    let plan = plan(&[path], &options).unwrap();
    let mut source = Source::open(&plan, &options).unwrap();
    let good = source.by_ref().take_while(|batch| batch.is_ok()).count();
    assert_eq!(good, 2, "only full batches come before the error");
    assert!(source.next().is_none(), "nothing comes after it");
}
