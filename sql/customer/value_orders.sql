-- One row per cut-off of customer.value_cutoffs and customer with an order up to it: the orders until then, each with
-- what its lines were worth by that day.
with clock as (
    select c.as_of_date
    from core.clock as c
),

order_days as (
    select
        s.customer_id,
        s.order_id,
        s.sold_date,
        sum(s.gross_sales - s.discounts) as order_value
    from core.sales as s
    cross join clock as c
    where s.customer_id is not null and s.is_valid and s.line_type = 'sale' and s.sold_date <= c.as_of_date
    group by s.customer_id, s.order_id, s.sold_date
),

order_values as (
    select
        c.cutoff_date,
        o.customer_id,
        o.order_id,
        min(o.sold_date) as order_date,
        sum(o.order_value) as order_value
    from customer.value_cutoffs as c
    inner join order_days as o on o.sold_date <= c.cutoff_date
    group by c.cutoff_date, o.customer_id, o.order_id
),

final as (
    select
        o.cutoff_date,
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.cutoff_date - o.order_date < 30) as orders_30,
        count(*) filter (where o.cutoff_date - o.order_date < 90) as orders_90,
        count(*) filter (where o.cutoff_date - o.order_date < 180) as orders_180,
        percentile_cont(0.5) within group (order by o.order_value::double precision) as median_order_value
    from order_values as o
    group by o.cutoff_date, o.customer_id
)

select * from final
