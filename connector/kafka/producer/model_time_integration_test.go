//go:build integration

package producer

import "time"

// modelTime is how long TestModel goes on before a push: thousands of seeds.
const modelTime = 75 * time.Second
