-- Where do our customers live, and what do they buy?
-- One row per location of the customer (not of the shop) with its net sales over all time; orders without a
-- customer are `Guest`, customers without a location `Unknown`. `customers` are those with an order.
with orders as (
    select
        case when o.customer_id is null then 'Guest' else m.location end as location,
        count(*) as orders,
        count(distinct o.customer_id) as customers
    from core.orders as o
    cross join core.clock as c
    left join core.customers as m on o.customer_id = m.customer_id
    where o.order_date <= c.as_of_date
    group by case when o.customer_id is null then 'Guest' else m.location end
),

sales as (
    select
        l.location,
        sum(l.net_sales) as net_sales
    from kpi.by_location as l
    group by l.location
),

final as (
    select
        s.location,
        coalesce(o.customers, 0) as customers,
        coalesce(o.orders, 0) as orders,
        s.net_sales,
        s.net_sales::double precision / nullif(sum(s.net_sales) over (), 0) as share,
        c.currency
    from sales as s
    cross join core.clock as c
    left join orders as o on s.location = o.location
)

select * from final
order by net_sales desc, location
