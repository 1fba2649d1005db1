//go:build integration

package test

import (
	"os"
	"testing"

	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }
