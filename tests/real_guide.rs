//! Does each step of the operator's guide work as it is written, and is each fault found where it says?

mod common;

use common::package::beside;

#[test]
fn each_command_of_the_guide_works_and_each_fault_is_found_where_it_says() {
    beside("guide/walk", "postfix procps prometheus sqlite3 sudo", &[], 300);
}
