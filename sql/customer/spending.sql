-- One row per customer with an order: net sales, whether they are among the highest, and how the customer's
-- discounted orders compare with the average order of the shop. Made for customer.high_value and customer.profile.
-- `is_top_revenue`: the top part (core.parameters.high_value_share) of these customers by net sales; whoever equals
-- the last of them is in, too, and net sales are above 0. `is_discount_above_average`: the customer's discounted
-- orders are worth more on average, after the discount, than the average order of the shop, guests included.
with orders as (
    select
        o.customer_id,
        o.order_value,
        t.is_discounted
    from core.orders as o
    inner join kpi.order_traits as t on o.order_id = t.order_id
),

average as (
    select sum(o.order_value) / nullif(count(*), 0) as aov
    from orders as o
),

customers as (
    select
        o.customer_id,
        count(*) as orders,
        count(*) filter (where o.is_discounted) as discounted_orders,
        sum(o.order_value) filter (where o.is_discounted) as discounted_order_value
    from orders as o
    where o.customer_id is not null
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

valued as (
    select
        m.customer_id,
        m.orders,
        coalesce(s.net_sales, 0) as net_sales,
        sum(coalesce(s.net_sales, 0)) over () as all_net_sales,
        rank() over (order by coalesce(s.net_sales, 0) desc) as place,
        count(*) over () as customers,
        m.discounted_orders,
        coalesce(m.discounted_order_value, 0) as discounted_order_value,
        a.aov
    from customers as m
    cross join average as a
    left join sales as s on m.customer_id = s.customer_id
),

final as (
    select
        v.customer_id,
        v.orders,
        v.net_sales,
        v.all_net_sales,
        v.net_sales::double precision / nullif(v.all_net_sales, 0) as share,
        v.place <= ceil(p.high_value_share * v.customers) and v.net_sales > 0 as is_top_revenue,
        v.discounted_orders > 0 and v.discounted_order_value > v.discounted_orders * round(v.aov, 4)
            as is_discount_above_average,
        v.discounted_orders,
        v.discounted_order_value,
        (v.discounted_order_value / nullif(v.discounted_orders, 0))::numeric(18, 4)
            as average_discounted_order_value,
        v.aov
    from valued as v
    cross join core.parameters as p
)

select * from final
