-- Who are our five best customers?
-- One row per rank: customers with an order by net sales over all time, returns deducted, guests left out. Equal
-- net sales: more orders first, then the smaller id; `dense_rank` shows who is equal.
with orders as (
    select
        o.customer_id,
        count(*) as orders
    from core.orders as o
    cross join core.clock as c
    where o.customer_id is not null and o.order_date <= c.as_of_date
    group by o.customer_id
),

sales as (
    select
        s.customer_id,
        sum(s.net_sales) as net_sales
    from core.sales as s
    cross join core.clock as c
    where s.customer_id is not null and s.sold_date <= c.as_of_date
    group by s.customer_id
),

ranked as (
    select
        row_number() over (order by s.net_sales desc, o.orders desc, o.customer_id) as rank,
        dense_rank() over (order by s.net_sales desc) as dense_rank,
        o.customer_id,
        s.net_sales,
        o.orders
    from orders as o
    inner join sales as s on o.customer_id = s.customer_id
),

final as (
    select
        r.rank,
        r.dense_rank,
        r.customer_id,
        r.net_sales,
        r.orders,
        c.currency
    from ranked as r
    cross join core.clock as c
    where r.rank <= 5
)

select * from final
order by rank
