//go:build integration

package services_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/headrace/headrace/test/services"
)

func TestFlights(t *testing.T) {
	b, err := os.ReadFile(services.Flights(t))
	if err != nil {
		t.Fatal(err)
	}
	if rows := bytes.Count(b, []byte("\n")) - 1; rows != services.FlightsCount {
		t.Errorf("%d rows, want %d", rows, services.FlightsCount)
	}
}
