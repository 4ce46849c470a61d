module setu.example/setu

go 1.27
