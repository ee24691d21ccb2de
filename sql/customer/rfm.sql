-- One row per customer: how recently, how often and for how much they bought, scored 1 to 5 (5 is best), and
-- the segment. A score is 1 + the fifths of the scored customers who are strictly worse, so that equal values
-- always have equal scores: a mass of one-time buyers all get frequency 1, and no row order decides. Where
-- all scored customers have the same value on a dimension, everybody gets 3 (`is_degenerate`).
-- `core.rfm_grid` names the segments; customers with one order and recency 5 or 4 are named before the grid,
-- whatever they spent, and where recency or frequency is degenerate nobody can be placed. Customers without
-- an order stand here unscored, guests do not. With `core.parameters.rfm_window_days` only orders and lines
-- of that many days up to the as-of date count; who ordered before alone is unscored, too.
with clock as (
    select
        c.as_of_date,
        c.currency,
        p.rfm_window_days
    from core.clock as c
    cross join core.parameters as p
),

customers as (
    select m.customer_id
    from core.customers as m
),

placed as (
    select
        o.customer_id,
        o.order_date,
        o.order_value,
        c.rfm_window_days is null or c.as_of_date - o.order_date < c.rfm_window_days as is_in_window
    from core.orders as o
    cross join clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
),

orders as (
    select
        p.customer_id,
        min(p.order_date) as first_order_date,
        max(p.order_date) as last_order_date,
        count(*) filter (where p.is_in_window) as frequency,
        sum(p.order_value) filter (where p.is_in_window) as ordered_value
    from placed as p
    group by p.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as monetary
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null
        and s.sold_date <= c.as_of_date
        and (c.rfm_window_days is null or c.as_of_date - s.sold_date < c.rfm_window_days)
    group by s.customer_id
),

valued as (
    select
        m.customer_id,
        o.first_order_date,
        o.last_order_date,
        coalesce(o.frequency, 0) as frequency,
        coalesce(s.monetary, 0) as monetary,
        coalesce(o.ordered_value, 0) as ordered_value,
        coalesce(o.frequency, 0) > 0 as is_scored
    from customers as m
    left join orders as o on m.customer_id = o.customer_id
    left join sales as s on m.customer_id = s.customer_id
),

ranked as (
    select
        v.customer_id,
        count(*) over () as scored,
        rank() over (order by v.last_order_date) - 1 as less_recent,
        rank() over (order by v.frequency) - 1 as less_frequent,
        rank() over (order by v.monetary) - 1 as less_monetary,
        min(v.last_order_date) over () = max(v.last_order_date) over () as recency_is_degenerate,
        min(v.frequency) over () = max(v.frequency) over () as frequency_is_degenerate,
        min(v.monetary) over () = max(v.monetary) over () as monetary_is_degenerate
    from valued as v
    where v.is_scored
),

scored as (
    select
        r.customer_id,
        case
            when r.recency_is_degenerate then 3
            else 1 + div(5 * r.less_recent, nullif(r.scored, 0))
        end::smallint as recency_score,
        case
            when r.frequency_is_degenerate then 3
            else 1 + div(5 * r.less_frequent, nullif(r.scored, 0))
        end::smallint as frequency_score,
        case
            when r.monetary_is_degenerate then 3
            else 1 + div(5 * r.less_monetary, nullif(r.scored, 0))
        end::smallint as monetary_score,
        r.recency_is_degenerate or r.frequency_is_degenerate as is_not_scorable,
        r.recency_is_degenerate or r.frequency_is_degenerate or r.monetary_is_degenerate as is_degenerate,
        r.scored < 5 as low_n
    from ranked as r
),

celled as (
    select
        v.customer_id,
        v.first_order_date,
        v.last_order_date,
        v.frequency,
        v.monetary,
        v.ordered_value,
        v.is_scored,
        s.recency_score,
        s.frequency_score,
        s.monetary_score,
        (s.frequency_score + s.monetary_score + 1) / 2 as fm_score,
        s.is_degenerate,
        s.low_n,
        case
            when v.first_order_date is null then 'no order'
            when not v.is_scored then 'lapsed out'
            when s.is_not_scorable then 'not scorable'
            when v.frequency = 1 and s.recency_score = 5 then 'one order R5'
            when v.frequency = 1 and s.recency_score = 4 then 'one order R4'
            else 'R' || s.recency_score || ' FM' || (s.frequency_score + s.monetary_score + 1) / 2
        end as cell
    from valued as v
    left join scored as s on v.customer_id = s.customer_id
),

final as (
    select
        v.customer_id,
        g.segment,
        g.segment_rank,
        c.as_of_date - v.last_order_date as recency_days,
        v.frequency,
        v.monetary,
        v.recency_score,
        v.frequency_score,
        v.monetary_score,
        v.fm_score,
        v.recency_score::text || v.frequency_score::text || v.monetary_score::text as rfm_score,
        v.recency_score + v.frequency_score + v.monetary_score as rfm_total,
        v.first_order_date,
        v.last_order_date,
        v.ordered_value,
        v.is_scored,
        coalesce(v.is_degenerate, false) as is_degenerate,
        coalesce(v.low_n, false) as low_n,
        c.currency
    from celled as v
    cross join clock as c
    left join core.rfm_grid as g on v.cell = g.cell
)

select * from final
