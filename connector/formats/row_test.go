package formats

import (
	"strings"
	"testing"
)

func TestCellsThatMayMeanNull(t *testing.T) {
	r := newRow([]string{"c"}, func(string) columnType { return intColumn }, nil)
	for cell, hint := range map[string]string{"": `the cell's "" means null, add it to null_values`, "NA": `"NA" means null`, " n/a ": `means null`, "x7": ""} {
		_, err := r.append(nil, []string{cell})
		if err == nil || !strings.Contains(err.Error(), `column "c": not an integer`) || !strings.Contains(err.Error(), hint) {
			t.Errorf("%q: %v", cell, err)
		}
		if hint == "" && strings.Contains(err.Error(), "x7") {
			t.Errorf("the cell is in the error: %v", err)
		}
	}
}
