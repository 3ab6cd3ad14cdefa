package right

// Sum adds numbers.
func Sum(numbers ...int) (int, error) {
	sum := 0
	for _, n := range numbers {
		sum += n
	}
	return sum, nil
}
