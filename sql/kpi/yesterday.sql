-- One row per headline figure: its value on the last complete day, and on the same weekday one week and 52
-- weeks before. The last complete day is the one before the as-of date (that day is usually cut off), or the
-- as-of date itself where it was set by hand. Changes are relative; they are NULL where there was nothing to
-- compare with. Empty before the first complete day. `unit` says how to show the value.
with daily as (
    select
        d.period,
        d.is_complete,
        d.currency,
        d.net_sales,
        d.orders,
        d.units,
        d.aov,
        d.active_customers,
        d.new_customers,
        d.returns,
        d.discounts
    from kpi.daily as d
),

last_day as (
    select max(d.period) as day
    from daily as d
    where d.is_complete
),

days as (
    select
        l.day,
        d.period,
        d.currency,
        case when d.period = l.day then 'now' when d.period = l.day - 7 then 'week' else 'year' end as place,
        d.net_sales,
        d.orders,
        d.units,
        d.aov,
        d.active_customers,
        d.new_customers,
        d.returns,
        d.discounts
    from daily as d
    inner join last_day as l on d.period = l.day or d.period = l.day - 7 or d.period = l.day - 364
),

figures as (
    select d.day, d.currency, d.place, 'net_sales' as figure, 1 as sort_order, 'money' as unit,
        d.net_sales as amount
    from days as d
    union all
    select d.day, d.currency, d.place, 'orders' as figure, 2 as sort_order, 'count' as unit,
        d.orders as amount
    from days as d
    union all
    select d.day, d.currency, d.place, 'aov' as figure, 3 as sort_order, 'money' as unit, d.aov as amount
    from days as d
    union all
    select d.day, d.currency, d.place, 'units' as figure, 4 as sort_order, 'units' as unit, d.units as amount
    from days as d
    union all
    select
        d.day, d.currency, d.place, 'active_customers' as figure, 5 as sort_order, 'count' as unit,
        d.active_customers as amount
    from days as d
    union all
    select
        d.day, d.currency, d.place, 'new_customers' as figure, 6 as sort_order, 'count' as unit,
        d.new_customers as amount
    from days as d
    union all
    select d.day, d.currency, d.place, 'discounts' as figure, 7 as sort_order, 'money' as unit,
        d.discounts as amount
    from days as d
    union all
    select d.day, d.currency, d.place, 'returns' as figure, 8 as sort_order, 'money' as unit,
        d.returns as amount
    from days as d
),

side_by_side as (
    select
        f.figure,
        f.sort_order,
        f.unit,
        f.day,
        max(f.amount) filter (where f.place = 'now') as amount,
        max(f.amount) filter (where f.place = 'week') as amount_week_before,
        max(f.amount) filter (where f.place = 'year') as amount_year_before,
        max(f.currency) as currency
    from figures as f
    group by f.figure, f.sort_order, f.unit, f.day
),

final as (
    select
        s.figure,
        s.sort_order,
        s.unit,
        s.day,
        s.amount,
        s.day - 7 as week_before,
        s.amount_week_before,
        s.amount - s.amount_week_before as difference_to_week_before,
        (s.amount - s.amount_week_before)::double precision / nullif(greatest(s.amount_week_before, 0), 0)
            as change_to_week_before,
        s.day - 364 as year_before,
        s.amount_year_before,
        s.amount - s.amount_year_before as difference_to_year_before,
        (s.amount - s.amount_year_before)::double precision / nullif(greatest(s.amount_year_before, 0), 0)
            as change_to_year_before,
        s.currency
    from side_by_side as s
)

select * from final
