-- One row per grain (day, week, month, quarter, year) and period from the first day of the data to the as-of
-- date. How much of what was ordered in the period came back, whenever it came back: the clock of quality,
-- where `returns` of the other tables is the clock of the books. `return_rate` ripens while returns come in;
-- those of 30 and 60 days count orders at least that old and returns within that time, and are final: they
-- appear when the whole period is that old. A return belongs to the order of the line that it names, else to
-- the order whose number it bears. Rates are NULL where less than half of the value returned from the first
-- day of the period to 60 days after its last can be traced to an order.
with clock as (
    select c.as_of_date
    from core.clock as c
),

calendar as (
    select
        d.day,
        d.week,
        d.month,
        d.quarter,
        d.year
    from core.calendar as d
    cross join clock as c
    where d.day <= c.as_of_date
),

orders as (
    select
        o.order_id,
        o.order_date as day,
        o.order_value,
        o.units
    from core.orders as o
    inner join clock as c on o.order_date <= c.as_of_date
),

sale_lines as (
    select
        s.sale_id,
        s.order_id
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.line_type = 'sale' and s.sold_date <= c.as_of_date
),

return_lines as (
    select
        s.order_id,
        s.original_sale_id,
        s.sold_date as day,
        s.returns,
        -s.quantity as units
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.line_type = 'return' and s.sold_date <= c.as_of_date
),

traced as (
    select
        r.day,
        o.day as order_day,
        r.returns,
        r.units
    from return_lines as r
    left join sale_lines as l on r.original_sale_id = l.sale_id
    left join orders as o on coalesce(l.order_id, r.order_id) = o.order_id
),

booked as (
    select
        t.day,
        sum(t.returns) as returns,
        coalesce(sum(t.returns) filter (where t.order_day is not null), 0) as linked_returns
    from traced as t
    group by t.day
),

returned as (
    select
        t.order_day as day,
        sum(t.returns) as returned_value,
        sum(t.returns) filter (where t.day <= t.order_day + 30) as returned_value_30d,
        sum(t.returns) filter (where t.day <= t.order_day + 60) as returned_value_60d,
        sum(t.units) as returned_units,
        sum(t.units) filter (where t.day <= t.order_day + 30) as returned_units_30d,
        sum(t.units) filter (where t.day <= t.order_day + 60) as returned_units_60d
    from traced as t
    where t.order_day is not null
    group by t.order_day
),

ordered as (
    select
        o.day,
        o.day + 30 <= c.as_of_date as is_mature_30d,
        o.day + 60 <= c.as_of_date as is_mature_60d,
        sum(o.order_value) as ordered_value,
        sum(o.units) as ordered_units
    from orders as o
    cross join clock as c
    group by o.day, o.day + 30 <= c.as_of_date, o.day + 60 <= c.as_of_date
),

daily as (
    select
        o.day,
        o.is_mature_30d,
        o.is_mature_60d,
        o.ordered_value,
        o.ordered_units,
        coalesce(r.returned_value, 0) as returned_value,
        coalesce(r.returned_units, 0) as returned_units,
        coalesce(r.returned_value_30d, 0) as returned_value_30d,
        coalesce(r.returned_units_30d, 0) as returned_units_30d,
        coalesce(r.returned_value_60d, 0) as returned_value_60d,
        coalesce(r.returned_units_60d, 0) as returned_units_60d
    from ordered as o
    left join returned as r on o.day = r.day
),

slices as (
    select 'day' as grain, c.day, c.day as period, c.day as period_end from calendar as c
    union all
    select 'week' as grain, c.day, c.week as period, c.week + 6 as period_end from calendar as c
    union all
    select 'month' as grain, c.day, c.month as period, (c.month + interval '1 month')::date - 1 as period_end
    from calendar as c
    union all
    select 'quarter' as grain, c.day, c.quarter as period,
        (c.quarter + interval '3 months')::date - 1 as period_end
    from calendar as c
    union all
    select 'year' as grain, c.day, c.year as period, (c.year + interval '12 months')::date - 1 as period_end
    from calendar as c
),

sums as (
    select
        s.grain,
        s.period,
        s.period_end,
        coalesce(sum(d.ordered_value), 0) as ordered_value,
        coalesce(sum(d.returned_value), 0) as returned_value,
        coalesce(sum(d.ordered_units), 0) as ordered_units,
        coalesce(sum(d.returned_units), 0) as returned_units,
        coalesce(sum(d.ordered_value) filter (where d.is_mature_30d), 0) as ordered_value_30d,
        coalesce(sum(d.returned_value_30d) filter (where d.is_mature_30d), 0) as returned_value_30d,
        coalesce(sum(d.ordered_units) filter (where d.is_mature_30d), 0) as ordered_units_30d,
        coalesce(sum(d.returned_units_30d) filter (where d.is_mature_30d), 0) as returned_units_30d,
        coalesce(sum(d.ordered_value) filter (where d.is_mature_60d), 0) as ordered_value_60d,
        coalesce(sum(d.returned_value_60d) filter (where d.is_mature_60d), 0) as returned_value_60d,
        coalesce(sum(d.ordered_units) filter (where d.is_mature_60d), 0) as ordered_units_60d,
        coalesce(sum(d.returned_units_60d) filter (where d.is_mature_60d), 0) as returned_units_60d
    from slices as s
    left join daily as d on s.day = d.day
    group by s.grain, s.period, s.period_end
),

linking as (
    select
        s.grain,
        s.period,
        sum(b.returns) as returns_to_link,
        sum(b.linked_returns) as returns_linked
    from sums as s
    inner join booked as b on b.day >= s.period and b.day <= s.period_end + 60
    group by s.grain, s.period
),

tracing as (
    select
        s.grain,
        s.period,
        coalesce(l.returns_to_link, 0) as returns_to_link,
        coalesce(l.returns_linked, 0) as returns_linked,
        coalesce(l.returns_linked * 2 >= l.returns_to_link, true) as is_traced,
        s.period_end + 30 <= c.as_of_date as is_mature_30d,
        s.period_end + 60 <= c.as_of_date as is_mature_60d
    from sums as s
    cross join clock as c
    left join linking as l on s.grain = l.grain and s.period = l.period
),

final as (
    select
        s.grain,
        s.period,
        s.period_end,
        s.ordered_value,
        s.returned_value,
        s.returned_value::double precision / nullif(case when t.is_traced then s.ordered_value end, 0)
            as return_rate,
        s.ordered_value_30d,
        s.returned_value_30d,
        s.returned_value_30d::double precision
        / nullif(case when t.is_traced and t.is_mature_30d then s.ordered_value_30d end, 0)
            as return_rate_30d,
        s.ordered_value_60d,
        s.returned_value_60d,
        s.returned_value_60d::double precision
        / nullif(case when t.is_traced and t.is_mature_60d then s.ordered_value_60d end, 0)
            as return_rate_60d,
        s.ordered_units,
        s.returned_units,
        s.returned_units::double precision / nullif(case when t.is_traced then s.ordered_units end, 0)
            as unit_return_rate,
        s.ordered_units_30d,
        s.returned_units_30d,
        s.returned_units_30d::double precision
        / nullif(case when t.is_traced and t.is_mature_30d then s.ordered_units_30d end, 0)
            as unit_return_rate_30d,
        s.ordered_units_60d,
        s.returned_units_60d,
        s.returned_units_60d::double precision
        / nullif(case when t.is_traced and t.is_mature_60d then s.ordered_units_60d end, 0)
            as unit_return_rate_60d,
        t.returns_to_link,
        t.returns_linked,
        t.returns_linked::double precision / nullif(t.returns_to_link, 0) as linked_return_share
    from sums as s
    inner join tracing as t on s.grain = t.grain and s.period = t.period
)

select * from final
