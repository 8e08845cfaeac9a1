//! How are millions of cells handed over without a toll on each? SQLite's rows and functions, bare.
//!
//! rusqlite's own are safer for everything that is not done per row of a large table (BENCHMARKS.md has
//! the difference).
#![expect(unsafe_code, reason = "SQLite's C interface, for the two loops that a run spends its time in")]

use std::cell::Cell;
use std::ffi::{CStr, CString, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::slice;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, ffi};

/// What a function answers.
#[derive(Debug)]
pub enum Answer {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// TEXT.
    Text(String),
    /// The statement fails with these words.
    Error(String),
}

impl From<Option<String>> for Answer {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl From<bool> for Answer {
    fn from(truth: bool) -> Self {
        Self::Integer(i64::from(truth))
    }
}

/// Makes a pure function of `N` arguments known, for statements and never for a schema.
///
/// # Errors
/// SQLite's own.
pub fn function<F, const N: usize>(connection: &Connection, name: &CStr, function: F) -> Result<(), Error>
where
    F: Fn([ValueRef<'_>; N]) -> Answer + Send + 'static,
{
    let arguments = c_int::try_from(N).unwrap_or(-1);
    let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_DIRECTONLY;
    let function = Box::into_raw(Box::new(function)).cast::<c_void>();
    // SAFETY: the function lives until SQLite calls `forget` for it, which it also does on an error.
    let code = unsafe {
        ffi::sqlite3_create_function_v2(
            connection.handle(),
            name.as_ptr(),
            arguments,
            flags,
            function,
            Some(call::<F, N>),
            None,
            None,
            Some(forget::<F>),
        )
    };
    check(connection, code)
}

unsafe extern "C" fn call<F, const N: usize>(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) where
    F: Fn([ValueRef<'_>; N]) -> Answer,
{
    // SAFETY: SQLite gives as many arguments as were declared, alive for the call, and our own pointer.
    let answer = unsafe {
        let function = &*ffi::sqlite3_user_data(context).cast::<F>();
        let given = given(count, arguments);
        let values = std::array::from_fn(|place| given.get(place).map_or(ValueRef::Null, |&v| value(v)));
        // No panic may pass through C.
        catch_unwind(AssertUnwindSafe(|| function(values)))
    };
    let answer = answer.unwrap_or_else(|_| Answer::Error("internal error in a function".to_owned()));
    // SAFETY: the context is alive, and SQLite copies texts before the call returns.
    unsafe {
        match answer {
            Answer::Null => ffi::sqlite3_result_null(context),
            Answer::Integer(number) => ffi::sqlite3_result_int64(context, number),
            Answer::Text(text) => {
                let length = text.len() as u64;
                let encoding = u8::try_from(ffi::SQLITE_UTF8).unwrap_or(1);
                let copied = ffi::SQLITE_TRANSIENT();
                ffi::sqlite3_result_text64(context, text.as_ptr().cast(), length, copied, encoding);
            }
            Answer::Error(words) => {
                let length = c_int::try_from(words.len()).unwrap_or(c_int::MAX);
                ffi::sqlite3_result_error(context, words.as_ptr().cast(), length);
            }
        }
    }
}

unsafe extern "C" fn forget<F>(function: *mut c_void) {
    // SAFETY: the pointer came from `Box::into_raw` of this type, and SQLite gives it back once.
    drop(unsafe { Box::from_raw(function.cast::<F>()) });
}

/// # Safety
/// The value is alive, and nothing else converts it, as long as what is returned is used.
unsafe fn value<'a>(value: *mut ffi::sqlite3_value) -> ValueRef<'a> {
    // SAFETY: as the caller promises; SQLite's order is pointer first, then length.
    unsafe {
        match ffi::sqlite3_value_type(value) {
            ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
            ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
            ffi::SQLITE_TEXT => {
                let text = ffi::sqlite3_value_text(value);
                ValueRef::Text(bytes(text, ffi::sqlite3_value_bytes(value)))
            }
            ffi::SQLITE_BLOB => {
                let blob = ffi::sqlite3_value_blob(value);
                ValueRef::Blob(bytes(blob.cast(), ffi::sqlite3_value_bytes(value)))
            }
            _ => ValueRef::Null,
        }
    }
}

/// # Safety
/// `start` is null, or the start of as many bytes.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // SAFETY: as the caller promises.
        Ok(length @ 1..) if !start.is_null() => unsafe { slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

/// The aggregate function by which a statement hands over its rows, with `N` values each.
pub const EACH_ROW: &CStr = c"each_row";

/// Calls `each` for every row of a statement of the form `SELECT each_row(…) FROM …`, with `range` as its
/// two parameters: SQLite then never leaves its loop, and no column is asked for.
///
/// # Errors
/// SQLite's own.
pub fn each_row<F, const N: usize>(
    connection: &Connection,
    sql: &str,
    range: Option<(i64, i64)>,
    mut each: F,
) -> Result<(), Error>
where
    F: FnMut([ValueRef<'_>; N]),
{
    let sql = CString::new(sql).map_err(Error::NulError)?;
    let mut statement = ptr::null_mut();
    // SAFETY: the function is of use to SQLite while the statement lives, which is until this returns;
    // after that it leads nowhere, and says so should anybody call it.
    unsafe {
        let _open = Taker::register::<N>(connection, &raw mut each)?;
        let (db, none) = (connection.handle(), ptr::null_mut());
        check(connection, ffi::sqlite3_prepare_v2(db, sql.as_ptr(), -1, &raw mut statement, none))?;
        let statement = Statement(statement);
        if let Some((first, last)) = range {
            check(connection, ffi::sqlite3_bind_int64(statement.0, 1, first))?;
            check(connection, ffi::sqlite3_bind_int64(statement.0, 2, last))?;
        }
        loop {
            match ffi::sqlite3_step(statement.0) {
                // The one row of the aggregate, which says nothing.
                ffi::SQLITE_ROW => {}
                ffi::SQLITE_DONE => return Ok(()),
                code => return check(connection, code),
            }
        }
    }
}

/// Where the rows of a statement go; SQLite owns it.
struct Taker<F>(Cell<*mut F>);

/// Lets nothing through to a [`Taker`]'s function any more.
struct Open<F>(*const Taker<F>);

impl<F> Drop for Open<F> {
    fn drop(&mut self) {
        // SAFETY: SQLite keeps the taker until another takes its place, which does not happen in between.
        unsafe { (*self.0).0.set(ptr::null_mut()) };
    }
}

impl<F> Taker<F> {
    /// # Safety
    /// `each` is alive, and nobody else uses it, until what is returned is dropped.
    unsafe fn register<const N: usize>(connection: &Connection, each: *mut F) -> Result<Open<F>, Error>
    where
        F: FnMut([ValueRef<'_>; N]),
    {
        let taker = Box::into_raw(Box::new(Self(Cell::new(each))));
        // SAFETY: the taker lives until SQLite calls `forget` for it, which it also does on an error.
        let code = unsafe {
            ffi::sqlite3_create_function_v2(
                connection.handle(),
                EACH_ROW.as_ptr(),
                c_int::try_from(N).unwrap_or(-1),
                ffi::SQLITE_UTF8 | ffi::SQLITE_DIRECTONLY,
                taker.cast::<c_void>(),
                None,
                Some(take::<F, N>),
                Some(take_no_more),
                Some(forget::<Self>),
            )
        };
        check(connection, code)?;
        Ok(Open(taker))
    }
}

unsafe extern "C" fn take<F, const N: usize>(
    context: *mut ffi::sqlite3_context,
    count: c_int,
    arguments: *mut *mut ffi::sqlite3_value,
) where
    F: FnMut([ValueRef<'_>; N]),
{
    // SAFETY: SQLite gives as many arguments as were declared, alive for the call, and our own pointer;
    // what it leads to is alive where it is not null.
    let taken = unsafe {
        let taker = &*ffi::sqlite3_user_data(context).cast::<Taker<F>>();
        let given = given(count, arguments);
        // No panic may pass through C.
        taker.0.get().as_mut().is_some_and(|each| {
            let values = std::array::from_fn(|place| given.get(place).map_or(ValueRef::Null, |&v| value(v)));
            catch_unwind(AssertUnwindSafe(|| each(values))).is_ok()
        })
    };
    if !taken {
        let words = c"internal error: nobody takes the rows";
        // SAFETY: the context is alive, and SQLite copies the words.
        unsafe { ffi::sqlite3_result_error(context, words.as_ptr(), -1) };
    }
}

unsafe extern "C" fn take_no_more(context: *mut ffi::sqlite3_context) {
    // SAFETY: the context is alive.
    unsafe { ffi::sqlite3_result_null(context) };
}

/// # Safety
/// `arguments` is the start of `count` values, all alive as long as what is returned is used.
unsafe fn given<'a>(count: c_int, arguments: *mut *mut ffi::sqlite3_value) -> &'a [*mut ffi::sqlite3_value] {
    match usize::try_from(count) {
        // SAFETY: as the caller promises.
        Ok(count @ 1..) => unsafe { slice::from_raw_parts(arguments, count) },
        _ => &[],
    }
}

struct Statement(*mut ffi::sqlite3_stmt);

impl Drop for Statement {
    fn drop(&mut self) {
        // SAFETY: it was prepared, and is finalized once.
        unsafe { ffi::sqlite3_finalize(self.0) };
    }
}

fn check(connection: &Connection, code: c_int) -> Result<(), Error> {
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    // SAFETY: the words belong to the connection until its next call, and are copied here.
    let words = unsafe { CStr::from_ptr(ffi::sqlite3_errmsg(connection.handle())) };
    let words = words.to_string_lossy().into_owned();
    Err(Error::SqliteFailure(ffi::Error::new(code), Some(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind([value]: [ValueRef<'_>; 1]) -> Answer {
        match value {
            ValueRef::Text(b"panic") => panic!("as asked"),
            ValueRef::Text(b"error") => Answer::Error("as told".into()),
            ValueRef::Null => Answer::Null,
            other => Answer::Text(format!("{other:?}")),
        }
    }

    #[test]
    fn a_function_sees_every_kind_of_value_and_its_error_and_panic_end_the_statement() {
        let connection = Connection::open_in_memory().unwrap();
        function(&connection, c"kind", kind).unwrap();
        let ask = |value: &str| -> Result<Option<String>, Error> {
            connection.query_row(&format!("SELECT kind({value})"), [], |row| row.get(0))
        };
        assert_eq!(ask("NULL").unwrap(), None);
        for value in ["7", "1.5", "''", "'a'", "x''", "x'00ff'"] {
            let by_rusqlite: String = connection
                .query_row(&format!("SELECT {value}"), [], |row| Ok(format!("{:?}", row.get_ref(0)?)))
                .unwrap();
            assert_eq!(ask(value).unwrap(), Some(by_rusqlite), "{value}");
        }
        assert!(ask("'error'").unwrap_err().to_string().contains("as told"));
        assert!(ask("'panic'").unwrap_err().to_string().contains("internal error"));
    }

    fn seen(connection: &Connection, sql: &str) -> (Result<(), Error>, Vec<String>) {
        let mut seen = vec![];
        let read = each_row(connection, sql, Some((2, 9)), |row: [ValueRef<'_>; 2]| {
            assert!(row[0] != ValueRef::Integer(4), "as asked");
            seen.push(format!("{row:?}"));
        });
        (read, seen)
    }

    const NUMBERS: &str =
        "FROM (SELECT 1 value UNION ALL SELECT 2 UNION ALL SELECT 3) WHERE value BETWEEN ?1 AND ?2";

    #[test]
    fn rows_come_with_their_range_and_an_error_of_the_statement_is_told() {
        let connection = Connection::open_in_memory().unwrap();
        let (read, rows) = seen(&connection, &format!("SELECT each_row(value, 'x' || value) {NUMBERS}"));
        read.unwrap();
        assert_eq!(rows, ["[Integer(2), Text([120, 50])]", "[Integer(3), Text([120, 51])]"]);
        let error = seen(&connection, "SELECT each_row(missing, 1)").0.unwrap_err();
        assert!(error.to_string().contains("no such column: missing"), "{error}");
    }

    #[test]
    fn an_error_between_two_rows_and_a_panic_of_the_taker_end_the_statement() {
        let connection = Connection::open_in_memory().unwrap();
        function(&connection, c"kind", kind).unwrap();
        let broken = format!("SELECT each_row(value, kind(iif(value = 3, 'error', value))) {NUMBERS}");
        let (read, rows) = seen(&connection, &broken);
        assert!(read.unwrap_err().to_string().contains("as told"));
        assert_eq!(rows.len(), 1);
        let (read, rows) = seen(&connection, &format!("SELECT each_row(value + 1, 1) {NUMBERS}"));
        assert!(read.unwrap_err().to_string().contains("internal error"));
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn nobody_takes_rows_once_the_statement_is_over() {
        let connection = Connection::open_in_memory().unwrap();
        seen(&connection, &format!("SELECT each_row(value, 1) {NUMBERS}")).0.unwrap();
        let later = connection.query_row("SELECT each_row(1, 2)", [], |_| Ok(()));
        assert!(later.unwrap_err().to_string().contains("nobody takes the rows"));
    }
}
