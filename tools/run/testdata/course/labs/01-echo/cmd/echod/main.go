// Command echod serves echo.
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"

	echo "workbook.example/labs/01-echo"
)

func main() {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Println("1 + 1 =", echo.Sum(1, 1), os.Args[1:])
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "wait" {
			fmt.Println("waiting")
			fmt.Println("got", <-interrupted)
			os.Exit(7)
		}
		fmt.Println(in.Text())
	}
}
