-- What happened yesterday?
-- One row per headline figure: its value on the last complete day of the data (`day`; the as-of date is
-- usually cut off and does not count), and on the same weekday one week and 52 weeks before. Changes are
-- relative, 0.1 is a tenth more; they are NULL where there was nothing to compare with. A single day says
-- little: read it beside `last_month`.
with final as (
    select
        y.figure,
        y.unit,
        y.day,
        y.amount,
        y.amount_week_before,
        y.change_to_week_before,
        y.amount_year_before,
        y.change_to_year_before,
        y.currency,
        y.sort_order
    from kpi.yesterday as y
)

select * from final
order by sort_order
