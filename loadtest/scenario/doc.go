// Package scenario reads what a load test is to do from YAML.
//
// Every fault of a file is reported at once, each with file, line and field. Fields lists what there
// is to say; docs/LOADTEST.md prints it. A field that is not in the list is a fault, so that a
// misspelt threshold cannot pass unnoticed.
package scenario
