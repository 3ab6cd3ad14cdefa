package gone_test

import (
	"fmt"
	"os"
	"testing"
)

func TestEndsTheProcess(t *testing.T) {
	fmt.Println("this is the last that is heard")
	os.Exit(3)
}
