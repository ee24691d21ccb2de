-- How often do frequent buyers buy?
-- One row per class of purchase frequency, always all of them, by the median days between a customer's
-- orders; who ordered on one day only is `single`. `frequent_customers` are those of a frequent class who
-- bought within their last three usual intervals. `median_days_between_orders` is the median over the
-- customers of the class. The shares of customers and of net sales add up to 1; guests are left out.
with classes as (
    select
        c.frequency_class,
        c.sort_order
    from customer.frequency_classes as c
),

customers as (
    select
        f.customer_id,
        f.frequency_class,
        f.orders,
        f.median_days_between_orders,
        f.is_frequent
    from customer.purchase_frequency as f
),

profiles as (
    select
        p.customer_id,
        p.net_sales
    from customer.profile as p
),

sums as (
    select
        c.frequency_class,
        count(*) as customers,
        count(*) filter (where c.is_frequent) as frequent_customers,
        sum(c.orders)::bigint as orders,
        percentile_cont(0.5) within group (order by c.median_days_between_orders) as median_days_between_orders,
        sum(p.net_sales) as net_sales
    from customers as c
    inner join profiles as p on c.customer_id = p.customer_id
    group by c.frequency_class
),

final as (
    select
        k.frequency_class,
        coalesce(s.customers, 0) as customers,
        coalesce(s.customers, 0)::double precision / nullif(sum(s.customers) over (), 0) as customer_share,
        coalesce(s.frequent_customers, 0) as frequent_customers,
        s.median_days_between_orders,
        coalesce(s.orders, 0) as orders,
        s.orders::double precision / nullif(s.customers, 0) as orders_per_customer,
        coalesce(s.net_sales, 0) as net_sales,
        coalesce(s.net_sales, 0)::double precision / nullif(sum(s.net_sales) over (), 0) as net_sales_share,
        c.currency,
        k.sort_order
    from classes as k
    cross join core.clock as c
    left join sums as s on k.frequency_class = s.frequency_class
)

select * from final
order by sort_order
