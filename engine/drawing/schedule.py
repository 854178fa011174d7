"""Which frames of which jobs are drawn next: pure logic, without a clock, a thread or a network of its own."""
